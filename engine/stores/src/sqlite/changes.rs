use super::readers::Readers;
use super::sql::{self, Connection};
use super::{Result, SqliteStore};
use crate::shared::{Board, count, json, name};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use stageway_core::name::TenantId;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks, while something is written or nobody tells whether.
const LOOK: Duration = Duration::from_millis(50);
/// How long after a write it is looked: a transaction is seen when it was flushed.
const FLUSHED: Duration = Duration::from_secs(1);
/// How long it is believed that nothing is written.
const BELIEVED: Duration = Duration::from_secs(2);

/// Tells whoever waits of what is written, by this process, which marks it, and by others.
///
/// SQLite has no event between processes, but the kernel has one of writes to the files of the database (inotify). `PRAGMA
/// data_version` then reads out of shared memory whether that was a transaction.
#[derive(Debug)]
pub(super) struct Watcher([JoinHandle<()>; 2]);

impl Watcher {
    /// For the database in a directory; `readers` read counts.
    pub(super) fn start(
        connection: Connection,
        readers: Arc<Readers>,
        directory: &Path,
        board: &Arc<Board>,
    ) -> Self {
        let writes = Writes::to(directory);
        if let Err(error) = &writes {
            tracing::debug!(%error, "the kernel tells nothing of writes: they are looked for");
        }
        let looks = tokio::spawn(look(connection, writes.ok(), board.clone()));
        Self([looks, tokio::spawn(tell(board.clone(), readers))])
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn look(mut connection: Connection, writes: Option<Writes>, board: Arc<Board>) {
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
        if !board.is_watched() {
            continue;
        }
        let version = sql::query_scalar("PRAGMA data_version").fetch_one(&mut connection).await;
        match version {
            Ok(version) if last == Some(version) => {}
            Ok(version) => {
                last = Some(version);
                board.mark_all();
            }
            // Whoever waits asks the store itself and hears of the fault there.
            Err(_) => {
                board.mark_all();
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
    /// Where whoever waits for a change is told of it.
    pub(super) fn board(&self) -> &Board {
        &self.inner.board
    }

    pub(super) async fn count(&self, tenant: &TenantId) -> Result<u64> {
        self.read(tenant).await?.changes().await
    }
}

/// Looks up the counts that somebody waits for: one reader, however many wait.
async fn tell(board: Arc<Board>, readers: Arc<Readers>) {
    loop {
        board.work().await;
        let due = board.take_due();
        if due.is_empty() {
            continue;
        }
        match counts(&readers, &due).await {
            Ok(counts) => counts.iter().for_each(|(tenant, count)| board.tell(tenant, *count)),
            // Whoever waits asks the store itself after its time and hears of the fault there.
            Err(_) => {
                due.iter().for_each(|tenant| board.mark(tenant));
                sleep(LOOK).await;
            }
        }
    }
}

async fn counts(readers: &Readers, tenants: &[TenantId]) -> Result<Vec<(TenantId, u64)>> {
    let mut reader = readers.acquire().await?;
    let found: Vec<(String, i64)> =
        sql::query_as("SELECT id, changes FROM tenant WHERE id IN (SELECT value FROM json_each(?1))")
            .bind(json(&tenants)?)
            .fetch_all(&mut reader)
            .await?;
    let read = |(tenant, changes): (String, i64)| {
        Ok((name("a tenant", tenant)?, count("the changes of a tenant", changes)?))
    };
    found.into_iter().map(read).collect()
}
