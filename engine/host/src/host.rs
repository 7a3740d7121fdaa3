use crate::compile::Compiler;
use crate::inspect;
use crate::options::{ComponentLimits, HostOptions};
use crate::prepared::{Prepared, Registry};
use crate::ticker::Ticker;
use crate::{engine, pure, run};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::digest::Digest;
use stageway_core::journal::canonical;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use stageway_ports::{Calls, Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use wasmtime::Engine;

/// Runs components on wasmtime.
///
/// # Guarantees
/// No instance outlives its call; none goes over the limits of its run; what a guest does wrong is an end and never an
/// error; guests that compute share their threads with everything else.
///
/// # Assumptions
/// It lives in a tokio runtime with its timer. Where tenants do not trust each other, [`Workers`](crate::Workers) runs them in
/// processes of their own.
pub struct Host {
    runner: Runner,
    compiler: Compiler,
    registry: Registry,
}

/// What instances are made with.
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) bounds: ComponentLimits,
    pub(crate) ticker: Arc<Ticker>,
}

/// Why a host cannot be had.
#[derive(Debug, Error)]
pub enum SetupError {
    /// The directory of compiled components cannot be used.
    #[error("the directory `{path}` of compiled components cannot be used")]
    Directory {
        /// The one that was given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// wasmtime refuses, usually because address space for the instances cannot be reserved.
    #[error("no engine for {instances} instances: {message}")]
    Engine {
        /// How many were asked for.
        instances: u32,
        /// What wasmtime says.
        message: String,
    },
    /// The thread that watches guests cannot be started.
    #[error("the thread that watches guests cannot be started")]
    Thread(#[source] io::Error),
}

impl Host {
    /// Reserves memory for the instances and opens the cache.
    ///
    /// # Errors
    /// Every variant of [`SetupError`].
    pub fn new(options: HostOptions) -> Result<Self, SetupError> {
        let engine = engine::running(options.instances, &options.component).map_err(|error| {
            SetupError::Engine { instances: options.instances, message: format!("{error:#}") }
        })?;
        let compiler = Compiler::new(&engine, &options)?;
        let ticker = Arc::new(Ticker::start(&engine).map_err(SetupError::Thread)?);
        let registry = Registry::new(options.prepared);
        Ok(Self { runner: Runner { engine, bounds: options.component, ticker }, compiler, registry })
    }

    /// wasmtime's own engine with the settings of this host: what is measured against it is measured under the same ones.
    pub fn engine(&self) -> &Engine {
        &self.runner.engine
    }

    pub(crate) fn prepared(&self, component: &Digest) -> Result<Arc<Prepared>, GuestError> {
        self.registry.get(component).ok_or_else(|| {
            GuestError::Host(format!("the component {component} was not prepared in this process"))
        })
    }
}

#[async_trait]
impl Guests for Host {
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
        inspect::inspect(bytes, &self.runner.bounds)
    }

    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
        let Component { digest, imports, .. } = self.inspect(bytes)?;
        if !self.registry.has(&digest) {
            let component = self.compiler.load(digest, bytes).await?;
            self.registry.put(Prepared::new(&self.runner.engine, &component, digest, imports)?);
        }
        Ok(digest)
    }

    fn is_prepared(&self, component: &Digest) -> bool {
        self.registry.has(component)
    }

    async fn describe(&self, component: &Digest) -> Result<String, GuestError> {
        let prepared = self.prepared(component)?;
        pure::describe(&self.runner, &prepared).await
    }

    async fn validate(
        &self,
        _tenant: &TenantId,
        component: &Digest,
        configuration: &Json,
    ) -> Result<Vec<ConfigIssue>, GuestError> {
        let prepared = self.prepared(component)?;
        pure::validate(&self.runner, &prepared, &canonical(configuration)).await
    }

    async fn run(&self, run: GuestRun, calls: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
        let prepared = self.prepared(&run.component)?;
        run::attempt(&self.runner, &prepared, &run, calls).await
    }
}
