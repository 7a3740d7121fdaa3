//! The engine of one run.

use super::clusters::clusters;
use super::connections::Connections;
use super::executor::executor;
use super::{Home, Origin, SystemClock};
use crate::config::Settings;
use anyhow::{Context, Result};
use stageway_conductor::engine::{Engine, Observer, Rules};
use stageway_conductor::trees::Trees;
use stageway_core::policy::Policy;
use stageway_host::{CompileBy, Host, HostOptions, WorkerOptions, Workers};
use stageway_ports::{Cluster, Executor, Guests, Secrets, Source};
use stageway_remotes::secrets::DeclaredSecrets;
use stageway_remotes::source::WorkTree;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// The running executable, even if its file was replaced since.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// How long the worker of a tenant waits for another guest.
const WORKER_IDLE: Duration = Duration::from_secs(300);

/// How long a lease lasts where others may take over, in milliseconds: with the slow look of the others it moves within ten
/// seconds.
const SHARED_LEASE_MS: u64 = 6_000;

/// What engines of this installation are made of.
pub(crate) struct Blueprint {
    /// Where everything is.
    pub(crate) settings: Arc<Settings>,
    /// The open state.
    pub(crate) home: Home,
    /// Runs components.
    pub(crate) guests: Arc<dyn Guests>,
    /// Reaches clusters, where some are configured.
    pub(crate) clusters: Option<Arc<dyn Cluster>>,
    /// Runs tasks.
    pub(crate) executor: Arc<dyn Executor>,
    /// What runs were made with, at hand.
    pub(crate) trees: Arc<Trees>,
}

/// The host of components, with everything compiled kept in the state directory.
///
/// # Errors
/// When its memory or its directory cannot be had.
pub(crate) fn guests(settings: &Settings) -> Result<Arc<dyn Guests>> {
    Ok(Arc::new(host(settings)?))
}

/// The same for a server: with more than one tenant, each one's guests run in a process of their own.
///
/// # Errors
/// Those of [`guests`].
pub(crate) fn guests_of_tenants(settings: &Settings) -> Result<Arc<dyn Guests>> {
    if settings.service.tenant_names().len() < 2 {
        return guests(settings);
    }
    let arguments = vec![OsString::from("worker")];
    let options = WorkerOptions { program: THIS_PROGRAM.into(), arguments, idle: WORKER_IDLE };
    Ok(Arc::new(Workers::new(host(settings)?, options)))
}

fn host(settings: &Settings) -> Result<Host> {
    let compile_by =
        CompileBy::Child { program: THIS_PROGRAM.into(), arguments: vec![OsString::from("compile")] };
    let options = HostOptions::new(settings.state.join("compiled"), compile_by);
    Host::new(options).context("components cannot be run")
}

/// What engines do not have in common.
pub(crate) struct Parts {
    /// Where values of secrets come from.
    pub(crate) secrets: Arc<dyn Secrets>,
    /// Runs tasks.
    pub(crate) executor: Arc<dyn Executor>,
    /// Sees what happens.
    pub(crate) observer: Arc<dyn Observer>,
}

/// How long a lease of a run lasts, in milliseconds.
pub(super) fn lease_ms(settings: &Settings) -> u64 {
    if settings.database.is_some() { SHARED_LEASE_MS } else { Rules::default().lease_ms }
}

/// The rules of runs under a policy.
pub(crate) fn rules(policy: &Policy) -> Rules {
    let usual = Rules::default();
    let parallel = policy.limits.parallel_stages;
    Rules { parallel_stages: parallel.map_or(usual.parallel_stages, |number| number as usize), ..usual }
}

impl Blueprint {
    /// Opens the state, and makes ready to run components.
    ///
    /// # Errors
    /// Those of [`Home::open`], [`guests`] and [`executor()`].
    pub(crate) async fn new(settings: Settings) -> Result<Self> {
        let guests = guests(&settings)?;
        Self::with(settings, guests).await
    }

    /// The same with these guests.
    ///
    /// # Errors
    /// Those of [`Home::open`] and [`executor()`].
    pub(crate) async fn with(settings: Settings, guests: Arc<dyn Guests>) -> Result<Self> {
        let home = Home::open(&settings).await?;
        let executor = executor(&settings, &home.directory, home.blobs.clone()).await?;
        let clusters = clusters(&settings);
        let trees = Arc::default();
        Ok(Self { settings: Arc::new(settings), home, guests, clusters, executor, trees })
    }

    /// The work tree of a run.
    ///
    /// # Errors
    /// When the folder or the revision is gone.
    pub(crate) async fn source(&self, origin: &Origin) -> Result<WorkTree> {
        let tree = WorkTree::open(&origin.root, self.home.blobs.clone()).await?;
        let tree = tree.with_cache(self.home.directory.join("cache/files")).with_base(origin.base.clone());
        match &origin.revision {
            Some(revision) => Ok(tree.at_revision(revision).await?),
            None => Ok(tree),
        }
    }

    /// An engine whose runs read this source and are seen by this observer.
    ///
    /// # Errors
    /// When the client for requests cannot be had.
    pub(crate) fn engine(
        &self,
        source: Arc<dyn Source>,
        origin: &Origin,
        observer: Arc<dyn Observer>,
    ) -> Result<Arc<Engine>> {
        let policy = &self.settings.policy;
        let secrets =
            DeclaredSecrets::new(&self.settings.folder).with_tenant(&self.home.tenant, &policy.secrets);
        let parts = Parts { secrets: Arc::new(secrets), executor: self.executor.clone(), observer };
        let lease_ms = lease_ms(&self.settings);
        let rules = Rules { unconfined: origin.unconfined, skip: origin.skip, lease_ms, ..rules(policy) };
        self.assemble(source, parts, rules)
    }

    /// An engine of the installation's ports and what is particular to its runs.
    ///
    /// # Errors
    /// When the client for requests cannot be had.
    pub(crate) fn assemble(
        &self,
        source: Arc<dyn Source>,
        parts: Parts,
        rules: Rules,
    ) -> Result<Arc<Engine>> {
        Ok(Arc::new(Engine {
            guests: self.guests.clone(),
            store: self.home.store.clone(),
            blobs: self.home.blobs.clone(),
            executor: parts.executor,
            registries: Arc::new(Connections::new(self.settings.clone())),
            http: super::http::client(&self.settings)?,
            secrets: parts.secrets,
            source,
            cluster: self.clusters.clone(),
            clock: Arc::new(SystemClock),
            observer: parts.observer,
            trees: Trees::of_run(self.trees.clone()),
            rules,
        }))
    }
}
