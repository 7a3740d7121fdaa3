use crate::metrics::Metrics;
use crate::rate::Rates;
use stageway_conductor::service::Reception;
use stageway_core::name::{TenantId, WebhookId};
use stageway_ports::{Clock, Inbox};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Makes ids that sort by time.
pub type Ids = Arc<dyn Fn() -> String + Send + Sync>;

/// What is taken from outside.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body.
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
        }
    }
}

/// Everything that the routes need.
pub struct App {
    pub(crate) reception: Reception,
    pub(crate) inbox: Arc<dyn Inbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) limits: Limits,
    pub(crate) rates: Rates,
    pub(crate) bodies: Semaphore,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) stopping: Arc<AtomicBool>,
}

impl App {
    /// Puts it together. `stopping` is true from when the server is to stop.
    pub fn new(
        reception: Reception,
        ids: Ids,
        limits: Limits,
        metrics: Arc<Metrics>,
        stopping: Arc<AtomicBool>,
    ) -> Self {
        let (inbox, clock) = (reception.inbox.clone(), reception.clock.clone());
        let bodies = Semaphore::new(limits.bodies_mib.max(mib(limits.body_bytes)));
        Self { reception, inbox, clock, ids, limits, rates: Rates::default(), bodies, metrics, stopping }
    }
}

/// Whole MiB that so many bytes need.
pub(crate) fn mib(bytes: usize) -> usize {
    bytes.div_ceil(1 << 20).max(1)
}
