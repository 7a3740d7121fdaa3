use super::SqliteStore;
use sqlx::SqliteConnection;
use stageway_core::name::TenantId;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How soon a write of another process is noticed.
const LOOK: Duration = Duration::from_millis(50);

/// Notices the writes of other processes while somebody waits for them.
///
/// SQLite has no event between processes; `PRAGMA data_version` reads one number out of shared memory.
#[derive(Debug)]
pub(super) struct Watcher(JoinHandle<()>);

impl Watcher {
    pub(super) fn start(connection: SqliteConnection, changes: watch::Sender<()>) -> Self {
        Self(tokio::spawn(look(connection, changes)))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(mut connection: SqliteConnection, changes: watch::Sender<()>) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<i64> = None;
    loop {
        tick.tick().await;
        if changes.receiver_count() == 0 {
            continue;
        }
        let version = sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await;
        match version {
            Ok(version) if last == Some(version) => {}
            Ok(version) => {
                last = Some(version);
                changes.send_replace(());
            }
            // Whoever waits asks the store itself and hears of the fault there.
            Err(_) => {
                changes.send_replace(());
            }
        }
    }
}

impl SqliteStore {
    /// The count of changes once it is greater than `since`, at the latest after `within`.
    pub(super) async fn wait_for_change(&self, tenant: &TenantId, since: u64, within: Duration) -> u64 {
        let mut woken = self.inner.changes.subscribe();
        let grown = async {
            loop {
                let count = self.count(tenant, since).await;
                // The sender lives as long as `self`, so waiting for it fails never.
                if count > since || woken.changed().await.is_err() {
                    return count;
                }
            }
        };
        match tokio::time::timeout(within, grown).await {
            Ok(count) => count,
            Err(_) => self.count(tenant, since).await,
        }
    }

    /// A fault of the storage is no change: what reads the state next reports it.
    async fn count(&self, tenant: &TenantId, since: u64) -> u64 {
        let count = async {
            let mut read = self.read(tenant).await?;
            read.changes().await
        };
        count.await.unwrap_or(since)
    }
}
