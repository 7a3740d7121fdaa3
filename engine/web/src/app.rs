use crate::api::Uploads;
use crate::metrics::Metrics;
use crate::rate::{Rates, Strangers};
use crate::tokens::Tokens;
use stageway_conductor::service::{Ids, Reception, Site, Starter, Waits};
use stageway_core::name::{TenantId, WebhookId};
use stageway_ports::{Blobs, Clock, Freezes, Inbox, Plugins, Queue, RunSummary, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// What is taken from outside.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a delivery's body.
    pub body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// MiB of bodies in memory at once.
    pub bodies_mib: usize,
    /// Deliveries of each webhook, a minute.
    pub of_webhook: BTreeMap<WebhookId, u64>,
    /// Deliveries of each tenant, a minute.
    pub of_tenant: BTreeMap<TenantId, u64>,
    /// Deliveries a minute where nothing else is said.
    pub usual: u64,
    /// Requests of each token, a minute.
    pub of_token: u64,
    /// Requests without a good token from each address, a minute.
    pub of_stranger: u64,
    /// How long an answer of the API may take.
    pub answer_time: Duration,
    /// Who starts a run waits this long for it; what takes longer goes on, and is found among the deliveries.
    pub start_time: Duration,
    /// Live streams at once.
    pub streams: usize,
    /// Packs of preflights that are read at once.
    pub uploads: usize,
    /// …and of one tenant.
    pub uploads_of_tenant: usize,
    /// How long a pack may take to arrive, all in all.
    pub upload_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 25 << 20,
            body_time: Duration::from_secs(30),
            bodies_mib: 512,
            of_webhook: BTreeMap::new(),
            of_tenant: BTreeMap::new(),
            usual: 60_000,
            of_token: 6_000,
            of_stranger: 300,
            answer_time: Duration::from_secs(30),
            start_time: Duration::from_secs(20),
            streams: 1_000,
            uploads: 8,
            uploads_of_tenant: 4,
            upload_time: Duration::from_secs(900),
        }
    }
}

/// What the API shows and changes, beyond deliveries.
pub struct Resources {
    /// Runs and everything of them.
    pub store: Arc<dyn Store>,
    /// Whose turn it is.
    pub queue: Arc<dyn Queue>,
    /// What stands still.
    pub freezes: Arc<dyn Freezes>,
    /// Artifacts.
    pub blobs: Arc<dyn Blobs>,
    /// The operator's plugins.
    pub plugins: Arc<dyn Plugins>,
    /// Starts runs that persons want.
    pub starter: Starter,
    /// Who may ask for what.
    pub tokens: Tokens,
}

/// Everything that the routes need.
pub struct App {
    pub(crate) reception: Reception,
    pub(crate) site: Arc<Site>,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resources: Resources,
    pub(crate) ids: Ids,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) strangers: Strangers,
    pub(crate) bodies: Semaphore,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) uploads: Uploads,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stop: watch::Receiver<bool>,
    /// Another after every start, because the configuration may be another.
    pub(crate) started: String,
}

impl App {
    /// Puts it together. `stop` turns true when the server is to stop.
    pub fn new(
        reception: Reception,
        resources: Resources,
        ids: Ids,
        limits: Limits,
        metrics: Arc<Metrics>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            site: reception.site.clone(),
            inbox: reception.inbox.clone(),
            clock: reception.clock.clone(),
            bodies: Semaphore::new(limits.bodies_mib.max(mib(limits.body_bytes))),
            streams: Arc::new(Semaphore::new(limits.streams)),
            uploads: Uploads::new(limits.uploads, limits.uploads_of_tenant, reception.site.tenants.keys()),
            started: ids(),
            rates: Rates::default(),
            strangers: Strangers::default(),
            reception,
            resources,
            ids,
            limits,
            metrics,
            stop,
        }
    }

    /// Whether the server is about to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Returns when it is.
    pub(crate) async fn stopped(&self) {
        // Whoever would tell us is gone as well when the server is.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.resources.store
    }

    /// Says of each run of a page why it has not begun.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn explain(&self, tenant: &TenantId, runs: &mut [RunSummary]) -> Result<(), StoreError> {
        let parallel_runs = self.site.tenants.get(tenant).map_or(0, |rules| rules.parallel_runs);
        let ports = (&*self.resources.queue, &*self.resources.freezes);
        Waits::explain(ports, tenant, parallel_runs, runs).await
    }
}

/// Whole MiB that so many bytes need.
pub(crate) fn mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20).max(1)
}
