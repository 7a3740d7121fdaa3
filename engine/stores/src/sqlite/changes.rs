use super::SqliteStore;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use sqlx::SqliteConnection;
use stageway_core::name::TenantId;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks, while something is written or nobody tells whether.
const LOOK: Duration = Duration::from_millis(50);
/// How long after a write it is looked: a transaction is seen when it was flushed.
const FLUSHED: Duration = Duration::from_secs(1);
/// How long it is believed that nothing is written.
const BELIEVED: Duration = Duration::from_secs(2);

/// Notices the writes of other processes while somebody waits for them.
///
/// SQLite has no event between processes, but the kernel has one of writes to the files of the database (inotify). `PRAGMA
/// data_version` then reads out of shared memory whether that was a transaction.
#[derive(Debug)]
pub(super) struct Watcher(JoinHandle<()>);

impl Watcher {
    /// For the database in a directory.
    pub(super) fn start(connection: SqliteConnection, directory: &Path, changes: watch::Sender<()>) -> Self {
        let writes = Writes::to(directory);
        if let Err(error) = &writes {
            tracing::debug!(%error, "the kernel tells nothing of writes: they are looked for");
        }
        Self(tokio::spawn(look(connection, writes.ok(), changes)))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(mut connection: SqliteConnection, writes: Option<Writes>, changes: watch::Sender<()>) {
    let mut last: Option<i64> = None;
    let mut until = Instant::now();
    loop {
        if let Some(writes) = &writes
            && Instant::now() >= until
            && timeout(BELIEVED, writes.next()).await.is_ok()
        {
            until = Instant::now() + FLUSHED;
        }
        sleep(LOOK).await;
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

/// Writes to the files of a directory. What the kernel tells of them is read like a pipe.
struct Writes(Receiver);

impl Writes {
    fn to(directory: &Path) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        inotify::add_watch(&events, directory, WatchFlags::MODIFY)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(events)?))
    }

    /// Returns when there were some since the last time.
    async fn next(&self) -> io::Result<()> {
        self.0.readable().await?;
        // What they are does not matter, only that they are taken.
        let mut events = [0; 4096];
        while self.0.try_read(&mut events).is_ok() {}
        Ok(())
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
