//! Starting runs where no forge told of anything: every occasion is stored as a delivery to ourselves, and taken in like any other.

use super::Wake;
use stageway_core::delivery::{DeliveryId, Occasion};
use stageway_core::digest::Digest;
use stageway_core::name::{ReceiptId, RepositoryId, TenantId, WebhookId};
use stageway_ports::{Clock, Delivery, Inbox, Moved, NewDelivery, Outcome, Received, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Makes ids that sort by time.
pub type Ids = Arc<dyn Fn() -> String + Send + Sync>;

/// Starts runs.
#[derive(Clone)]
pub struct Starter {
    /// Where occasions are kept.
    pub inbox: Arc<dyn Inbox>,
    /// Tells when something became of one.
    pub store: Arc<dyn Store>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids, in order of time.
    pub ids: Ids,
    /// Whom to wake.
    pub wake: Arc<Wake>,
}

/// What a delivery to ourselves holds.
pub struct Told {
    /// Two with the same key are one.
    pub key: String,
    /// What happened.
    pub occasion: Occasion,
    /// Heads that were found.
    pub moves: Vec<Moved>,
    /// Known already when nothing is to be done about it.
    pub outcome: Option<Outcome>,
}

impl Starter {
    /// Stores an occasion that a person caused: every one is another.
    ///
    /// # Errors
    /// [`StoreError::Storage`]; then nothing is stored.
    pub async fn person(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
        occasion: Occasion,
    ) -> Result<ReceiptId, StoreError> {
        let told = Told { key: (self.ids)(), occasion, moves: Vec::new(), outcome: None };
        Ok(self.tell(tenant, repository, told).await?.id)
    }

    /// Stores an occasion, unless one stands under its key.
    ///
    /// # Errors
    /// [`StoreError::Storage`]; then nothing is stored.
    pub async fn tell(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
        told: Told,
    ) -> Result<Received, StoreError> {
        let storage = |error: &dyn std::fmt::Display| StoreError::Storage(error.to_string());
        let Told { key, occasion, moves, outcome } = told;
        let open = outcome.is_none();
        let new = NewDelivery {
            id: ReceiptId::new((self.ids)()).map_err(|error| storage(&error))?,
            webhook: WebhookId::own(),
            key: key_of(&key),
            at: self.clock.now_ms(),
            event: occasion.as_str().to_owned(),
            headers: Vec::new(),
            body: serde_json::to_vec(&occasion).map_err(|error| storage(&error))?,
            repository: Some(repository.clone()),
            moves,
            outcome,
        };
        let received = self.inbox.receive(tenant, new).await?;
        if received.first && open {
            self.wake.intake.notify_one();
        }
        Ok(received)
    }

    /// The delivery once something became of it, at the latest after `within`; none if there is no such delivery.
    ///
    /// # Errors
    /// The store's.
    pub async fn settled(
        &self,
        tenant: &TenantId,
        id: &ReceiptId,
        within: Duration,
    ) -> Result<Option<Delivery>, StoreError> {
        let end = Instant::now() + within;
        let mut seen = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // Whoever reads the count first and the delivery then misses nothing.
            seen = self.store.changed(tenant, seen, left).await;
            let found = self.inbox.delivery(tenant, id).await?;
            if found.as_ref().is_none_or(|delivery| delivery.outcome.is_some()) || left.is_zero() {
                return Ok(found);
            }
        }
    }
}

/// What is too long or too strange for a key is told by its digest.
fn key_of(text: &str) -> DeliveryId {
    let digest = || DeliveryId::new(Digest::of(text.as_bytes()).hex());
    DeliveryId::new(text).or_else(|_| digest()).expect("64 hex digits are printable")
}
