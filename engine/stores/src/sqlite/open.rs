use super::changes::Watcher;
use super::file::File;
use super::migrate::migrate;
use super::readers::Readers;
use super::sql::patiently;
use super::turns::Turns;
use super::{Inner, Result, SqliteStore};
use crate::shared::Board;
use stageway_ports::{Blobs, StoreError};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

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
        let file = File::new(path.as_ref());
        open(&file, blobs).await.map_err(|failure| failure.at(file.path()))
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

async fn open(file: &File, blobs: Arc<dyn Blobs>) -> Result<SqliteStore> {
    let directory = file.path().parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    // Into WAL mode, and to the newest schema. While another process does the same, SQLite answers busy at once where waiting
    // could deadlock.
    patiently(|| migrate(&mut file.made()?)).await?;
    // The new file's name is durable only with its directory.
    std::fs::File::open(directory)?.sync_all()?;
    let board = Arc::new(Board::default());
    let readers = Arc::new(Readers::open(file.clone())?);
    let turns = Arc::new(Turns::open(file.clone(), board.clone())?);
    let watcher = Watcher::start(file.reading()?, readers.clone(), directory, &board);
    let inner = Inner { file: file.clone(), turns, blobs, readers, board, _watcher: watcher };
    Ok(SqliteStore { inner: Arc::new(inner) })
}
