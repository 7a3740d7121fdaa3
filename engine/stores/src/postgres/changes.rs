use super::{PostgresStore, Result};
use crate::shared::Board;
use stageway_core::name::TenantId;

impl PostgresStore {
    /// Where whoever waits for a change is told of it.
    pub(super) fn board(&self) -> &Board {
        &self.inner.signals.board
    }

    pub(super) async fn count(&self, tenant: &TenantId) -> Result<u64> {
        let mut read = self.read(tenant).await?;
        let count = read.changes().await;
        Self::end(read, count)
    }
}
