//! The file, and how it is opened.

use super::sql::Connection;
use super::{BUSY, Failure, Result};
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use stageway_ports::StoreError;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Statements of a connection that stay prepared: more than there are.
const PREPARED: usize = 256;
/// What every connection is told. What a statement may have to undo is small, and a file for it costs more than the
/// statement; after a burst the log shrinks back to its limit.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;
    PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864;";

/// A database that lies in a file. A clone is the same.
#[derive(Clone)]
pub(super) struct File(Arc<Path>);

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.into())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the file where there is none.
    pub(super) fn made(&self) -> Result<Connection> {
        self.connection(OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
    }

    pub(super) fn writing(&self) -> Result<Connection> {
        self.connection(OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    pub(super) fn reading(&self) -> Result<Connection> {
        let connection = self.writing()?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// One thread uses a connection at a time, so SQLite need not see to that.
    fn connection(&self, flags: OpenFlags) -> Result<Connection> {
        let connection = Connection::open_with_flags(&self.0, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        // Otherwise some are planned again for each value: where an index might be better for it, if it were analyzed.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch(PRAGMAS)?;
        // From here on nobody's thread waits: `sql::patiently`.
        connection.busy_timeout(Duration::ZERO)?;
        Ok(connection)
    }

    /// What is said to whoever asks a store that was closed.
    pub(super) fn closed(&self) -> Failure {
        let path = self.0.display();
        Failure::Refused(StoreError::Storage(format!("{path}: the store is closed: open it again")))
    }
}
