//! The port [`Guests`] over one worker for each tenant.

use super::frame::{Order, Said};
use super::process::{Line, Worker};
use crate::host::Host;
use crate::linking;
use crate::prepared::Prepared;
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::Function;
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use stageway_ports::{Calls, Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests, Linking};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// `validate` has twenty seconds in the worker; loading a great component takes a second.
const VALIDATE: Duration = Duration::from_secs(60);

/// How workers are started.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The program, usually the running one.
    pub program: PathBuf,
    /// What makes it call [`worker_child`](crate::worker_child).
    pub arguments: Vec<OsString>,
    /// After how long without a guest a worker ends.
    pub idle: Duration,
}

/// Runs the guests of each tenant in a process of their own, which has nothing but them within its reach.
///
/// # Guarantees
/// Those of [`Host`]; what a guest makes of its worker, it makes of its tenant's alone. A call through an interface that the
/// run is not linked with is refused here too, whatever the worker says.
///
/// # Assumptions
/// Those of [`Host`], which inspects and compiles. `describe` runs in this process: only plugin builds call it.
pub struct Workers {
    host: Host,
    options: WorkerOptions,
    living: Mutex<HashMap<TenantId, Arc<Worker>>>,
}

impl Workers {
    /// No worker is started before it is needed.
    pub fn new(host: Host, options: WorkerOptions) -> Self {
        Self { host, options, living: Mutex::default() }
    }

    /// A line to the tenant's worker, which is started if there is none.
    fn line(&self, tenant: &TenantId) -> Result<Line, GuestError> {
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = living.get(tenant).and_then(Worker::line) {
            return Ok(line);
        }
        let WorkerOptions { program, arguments, idle } = &self.options;
        let failed = |error| {
            GuestError::Host(format!("the worker `{}` cannot be started: {error}", program.display()))
        };
        let worker = Worker::start(tenant, (program, arguments), *idle).map_err(failed)?;
        let line = worker.line().ok_or_else(|| GuestError::Host("a new worker has ended".to_owned()))?;
        living.insert(tenant.clone(), worker);
        Ok(line)
    }
}

#[async_trait]
impl Guests for Workers {
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
        self.host.inspect(bytes)
    }

    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
        self.host.prepare(bytes).await
    }

    fn is_prepared(&self, component: &Digest) -> bool {
        self.host.is_prepared(component)
    }

    async fn describe(&self, component: &Digest) -> Result<String, GuestError> {
        self.host.describe(component).await
    }

    async fn validate(
        &self,
        tenant: &TenantId,
        component: &Digest,
        configuration: &Json,
    ) -> Result<Vec<ConfigIssue>, GuestError> {
        let prepared = self.host.prepared(component)?;
        linking::check(&prepared.granted, &linking::everything())?;
        let mut line = self.line(tenant)?;
        let id = line.id();
        let order =
            || Order::Validate { line: id, component: *component, configuration: configuration.clone() };
        let said = timeout(VALIDATE, begin(&mut line, &prepared, order)).await;
        match said.map_err(|_| GuestError::Host("a worker does not answer".to_owned()))?? {
            Said::Validated(answer) => answer,
            other => Err(unexpected(&line, &other)),
        }
    }

    async fn run(&self, run: GuestRun, calls: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
        let prepared = self.host.prepared(&run.component)?;
        linking::check(&prepared.granted, &run.linking)?;
        let mut line = self.line(&run.tenant)?;
        let id = line.id();
        let mut said =
            begin(&mut line, &prepared, || Order::Run { line: id, run: Box::new(run.clone()) }).await?;
        loop {
            match said {
                Said::Call(call) => {
                    if !is_linked(&call.function, &run.linking) {
                        return Err(line.broken(not_linked(&call.function)));
                    }
                    // A worker that dies meanwhile takes the call with it.
                    let reply = tokio::select! {
                        reply = calls.call(*call) => reply,
                        said = line.next() => return Err(said.map_or_else(|gone| gone, |said| unexpected(&line, &said))),
                    };
                    line.order(Order::Reply { line: id, reply: Box::new(reply) }, Vec::new());
                }
                Said::Ended(ended) => return ended,
                other => return Err(unexpected(&line, &other)),
            }
            said = line.next().await?;
        }
    }
}

/// Gives an order that needs a component; answers the first thing said that is not of loading it.
async fn begin(
    line: &mut Line,
    prepared: &Arc<Prepared>,
    order: impl Fn() -> Order,
) -> Result<Said, GuestError> {
    line.order(order(), Vec::new());
    match line.next().await? {
        Said::Missing => {}
        said => return Ok(said),
    }
    let (component, imports) = (prepared.digest, prepared.imports.clone());
    let kept = Arc::clone(prepared);
    let code = spawn_blocking(move || kept.code()).await;
    let code =
        code.map_err(|error| GuestError::Host(format!("copying machine code broke off: {error}")))??;
    line.order(Order::Load { line: line.id(), component, imports }, code);
    match line.next().await? {
        Said::Loaded(loaded) => loaded?,
        other => return Err(unexpected(line, &other)),
    }
    line.order(order(), Vec::new());
    line.next().await
}

/// Whether a worker may pass this call on. It asks nothing that its guest was not linked with, unless somebody has broken it.
fn is_linked(function: &Function, linking: &Linking) -> bool {
    let (interface, _) = function.name();
    crate::contract::ALWAYS.contains(&interface) || linking.granted.contains(interface)
}

fn not_linked(function: &Function) -> String {
    let (interface, name) = function.name();
    format!("it passed on a call of `{interface}.{name}`, which its guest is not linked with")
}

fn unexpected(line: &Line, said: &Said) -> GuestError {
    let what = match said {
        Said::Missing => "misses what it was given",
        Said::Loaded(_) => "loads what nobody gave it",
        Said::Call(_) => "passes on a call that may not be made now",
        Said::Ended(_) | Said::Validated(_) => "answers what nobody asked",
    };
    line.broken(format!("it {what}"))
}
