use super::changes::Watcher;
use super::migrate::migrate;
use super::turns::Turns;
use super::{BUSY, Failure, Inner, Result, SqliteStore};
use crate::shared::Board;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, SqlitePool};
use stageway_ports::{Blobs, StoreError};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that read at the same time.
const READERS: u32 = 4;

impl SqliteStore {
    /// Opens the database, and makes it with its directory where there is none. It is brought to this engine's schema. What
    /// is large in a journal lies in `blobs`: the database and they belong together.
    ///
    /// # Errors
    /// [`StoreError::Storage`] with the file and a remedy: it cannot be opened, is no database of this engine, is damaged,
    /// or was written by a newer engine.
    pub async fn open(
        path: impl AsRef<Path>,
        blobs: Arc<dyn Blobs>,
    ) -> std::result::Result<Self, StoreError> {
        let path = path.as_ref();
        open(path, blobs).await.map_err(|failure| failure.at(path))
    }

    /// How many transactions that wrote something this store has made durable since it was opened. Those that shared a
    /// flush count once.
    pub fn commits(&self) -> u64 {
        self.inner.turns.commits()
    }

    /// Closes the connections of every handle to this store, and moves the log into the file if nobody else has it open. A
    /// store that is dropped without it loses nothing.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.turns.close().await;
    }
}

async fn open(path: &Path, blobs: Arc<dyn Blobs>) -> Result<SqliteStore> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let options = options(path);
    prepare(&options).await?;
    // The new file's name is durable only with its directory.
    File::open(directory)?.sync_all()?;
    let board = Arc::new(Board::default());
    let reading = options.clone().pragma("query_only", "ON").create_if_missing(false);
    let looking = reading.connect().await?;
    let readers = pool(reading).await?;
    let watcher = Watcher::start(looking, readers.clone(), directory, &board);
    let path: Arc<Path> = path.into();
    let turns = Turns::open(options.create_if_missing(false), Arc::clone(&path), board.clone()).await?;
    let inner = Inner { turns: Arc::new(turns), path, blobs, readers, board, _watcher: watcher };
    Ok(SqliteStore { inner: Arc::new(inner) })
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .foreign_keys(false)
        // What a statement may have to undo is small, and a file for it costs more than the statement.
        .pragma("temp_store", "MEMORY")
        // After a burst the log shrinks back to this.
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging()
}

async fn pool(options: SqliteConnectOptions) -> Result<SqlitePool> {
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(1)
        .acquire_timeout(BUSY * 2)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    Ok(pool.connect_with(options).await?)
}

/// Puts the file into WAL mode and migrates it. While another process does the same, SQLite answers busy at once where
/// waiting could deadlock, so the waiting is done here.
async fn prepare(options: &SqliteConnectOptions) -> Result<()> {
    let begun = Instant::now();
    loop {
        match prepare_once(options).await {
            Err(failure) if failure.is_busy() && begun.elapsed() < BUSY => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

async fn prepare_once(options: &SqliteConnectOptions) -> Result<()> {
    let mut connection: SqliteConnection = options.connect().await?;
    migrate(&mut connection).await?;
    connection.close().await.map_err(Failure::from)
}
