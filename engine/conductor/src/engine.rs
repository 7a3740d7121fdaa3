//! What the conductor works with: every port, and the rules of this installation.

use crate::trees::Trees;
use async_trait::async_trait;
use stageway_core::call::Call;
use stageway_core::log::Line;
use stageway_core::name::{RunId, TenantId};
use stageway_core::run::RunEvent;
use stageway_ports::{Blobs, Clock, Cluster, Executor, Guests, Http, Registry, Secrets, Source, Store};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// All ports of one engine.
pub struct Engine {
    /// Runs components.
    pub guests: Arc<dyn Guests>,
    /// Remembers.
    pub store: Arc<dyn Store>,
    /// Keeps bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Runs tasks.
    pub executor: Arc<dyn Executor>,
    /// Opens connections to registries.
    pub registries: Arc<dyn Registries>,
    /// Sends a plugin's requests.
    pub http: Arc<dyn Http>,
    /// Knows values of secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Reads the repository.
    pub source: Arc<dyn Source>,
    /// Reaches clusters, where some are configured.
    pub cluster: Option<Arc<dyn Cluster>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Sees what happens while it happens.
    pub observer: Arc<dyn Observer>,
    /// What stages start from, at hand.
    pub trees: Trees,
    /// The rules of this installation.
    pub rules: Rules,
}

/// Opens a registry by the operator's name of a connection.
#[async_trait]
pub trait Registries: Send + Sync {
    /// None if no connection has that name.
    async fn open(&self, tenant: &TenantId, connection: &str) -> Option<Arc<dyn Registry>>;
}

/// Sees what happens while it happens. Seeing must not block: what takes long belongs into a queue of the observer's own.
pub trait Observer: Send + Sync {
    /// An event became durable.
    fn event(&self, _run: &RunId, _event: &RunEvent) {}
    /// A line is on its way into the store.
    fn line(&self, _run: &RunId, _line: &Line) {}
    /// A call of a guest, before it is answered.
    fn call(&self, _run: &RunId, _call: &Call) {}
}

/// Sees nothing.
pub struct Blind;

impl Observer for Blind {}

/// The rules of an installation.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Attempts in memory at once…
    pub parallel_stages: usize,
    /// …over all runs that share these places; none are each run's own.
    pub stages: Option<Arc<Semaphore>>,
    /// A wait that lasts longer than this is parked, in milliseconds…
    pub park_after_ms: u64,
    /// …if it also lasts longer than the attempt took so far, times this.
    pub park_factor: u64,
    /// How long a cancelled guest may go on, in milliseconds.
    pub grace_ms: u64,
    /// Resumes without a new entry before an attempt ends `errored`.
    pub resume_cap: u32,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: u64,
    /// Tasks run without the sandbox.
    pub unconfined: bool,
    /// Whether unchanged stages are skipped.
    pub skip: bool,
}

impl Rules {
    /// As many places as [`Rules::parallel_stages`] says, for everybody who gets them.
    pub fn places(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.parallel_stages.clamp(1, Semaphore::MAX_PERMITS)))
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            parallel_stages: 20,
            stages: None,
            park_after_ms: 10_000,
            park_factor: 20,
            grace_ms: 10_000,
            resume_cap: 5,
            lease_ms: 30_000,
            unconfined: false,
            skip: true,
        }
    }
}
