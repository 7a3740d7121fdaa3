use super::{PostgresStore, Result};
use stageway_core::name::TenantId;
use std::time::Duration;

/// How long the last look of a wait may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

impl PostgresStore {
    /// The count of changes once it is greater than `since`, at the latest after `within`.
    pub(super) async fn wait_for_change(&self, tenant: &TenantId, since: u64, within: Duration) -> u64 {
        if !within.is_zero() {
            let mut told = self.inner.signals.board.watch(tenant);
            if let Ok(Ok(count)) = tokio::time::timeout(within, told.wait_for(|count| *count > since)).await {
                return *count;
            }
        }
        // A fault of the storage is no change: what reads the state next reports it.
        match tokio::time::timeout(LAST_LOOK, self.count(tenant)).await {
            Ok(count) => count.unwrap_or(since),
            Err(_) => since,
        }
    }

    async fn count(&self, tenant: &TenantId) -> Result<u64> {
        let mut read = self.read(tenant).await?;
        let count = read.changes().await;
        Self::end(read, count)
    }
}
