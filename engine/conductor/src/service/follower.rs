//! Pipelines that wait for the success of another: its end is told to ourselves, once.

use super::Starter;
use super::starter::Told;
use stageway_core::delivery::Occasion;
use stageway_core::name::TenantId;
use stageway_core::run::RunStatus;
use stageway_ports::{RunOrigin, StoreError};
use std::time::Duration;

/// Runs of one look.
const TOGETHER: u32 = 100;
/// Without anybody waking us: what another process ended, or we before we died.
const LOOK: Duration = Duration::from_secs(10);

/// Tells ourselves of runs that have ended.
pub struct Follower {
    /// Stores what follows.
    pub starter: Starter,
}

impl Follower {
    /// Works until it is dropped; what was not told then is told by the next.
    pub async fn work(&self) {
        loop {
            match self.look().await {
                Ok(told) if told >= TOGETHER as usize => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "what follows from runs cannot be noted"),
            }
            let _ = tokio::time::timeout(LOOK, self.starter.wake.follower.notified()).await;
        }
    }

    /// Takes up everything that has ended; answers how much that was.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self) -> Result<usize, StoreError> {
        let ended = self.starter.inbox.unfollowed(TOGETHER).await?;
        for (tenant, origin) in &ended {
            if origin.status == RunStatus::Succeeded {
                self.tell(tenant, origin).await?;
            }
            self.starter.inbox.followed(tenant, &origin.run).await?;
        }
        Ok(ended.len())
    }

    async fn tell(&self, tenant: &TenantId, origin: &RunOrigin) -> Result<(), StoreError> {
        let told = Told {
            key: format!("pipeline:{}", origin.run),
            occasion: Occasion::Pipeline { run: origin.run.clone() },
            moves: Vec::new(),
            outcome: None,
        };
        self.starter.tell(tenant, &origin.key.repository, told).await?;
        Ok(())
    }
}
