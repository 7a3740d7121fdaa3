//! How SQLite says what `statements` leaves to its dialect.

use super::{Result, SqliteStore};
use crate::journal_body::Row;
use crate::shared::Unreadable;
use stageway_ports::{Batch, StoreError, Writer};

pub(super) use super::sql::{self, Connection};

pub(super) type Handle = SqliteStore;
pub(super) type Answer<T> = std::result::Result<T, StoreError>;

/// Statements that read: `reading!(self, tenant, method(arguments))`.
macro_rules! reading {
    ($self:ident, $tenant:expr, $method:ident ( $($argument:expr),* )) => {{
        let done = async {
            let mut read = $self.read($tenant).await?;
            read.$method($($argument),*).await
        };
        $self.port(done.await)
    }};
}

/// One transaction that writes: all of it is durable afterwards, or nothing was done.
macro_rules! writing {
    ($self:ident, $tenant:expr, $method:ident ( $($argument:expr),* )) => {{
        let done = async {
            let mut write = $self.write($tenant).await?;
            let done = write.$method($($argument),*).await;
            $self.finish(write, done).await
        };
        $self.port(done.await)
    }};
}

/// A row that a transaction decides about. There is one transaction that writes, so it stays as it was read.
macro_rules! locking {
    ($statement:literal) => {
        $statement
    };
}

/// That a column is what was given, or both are nothing.
macro_rules! same {
    ($column:literal, $given:literal) => {
        concat!($column, " IS ", $given)
    };
}

/// That a run's key is what was given.
macro_rules! keyed {
    ($given:literal) => {
        concat!("origin.key = ", $given)
    };
}

/// What else is set of a status that was told, or could not be: nothing, because nobody claims one.
macro_rules! unclaimed {
    () => {
        ""
    };
}

pub(super) use {keyed, locking, reading, same, unclaimed, writing};

impl SqliteStore {
    /// The error of the port, with the file and a remedy.
    pub(super) fn port<T>(&self, done: Result<T>) -> Answer<T> {
        done.map_err(|failure| failure.at(self.inner.file.path()))
    }

    /// An append, whose records are `rows`.
    pub(super) async fn append_rows(&self, writer: &Writer, batch: Batch, rows: Vec<Row>) -> Answer<u64> {
        writing!(self, &writer.tenant, append(writer, &batch, &rows))
    }
}

/// What people and plugins wrote, for a column: as it is.
pub(super) fn text(text: &str) -> std::result::Result<&str, Unreadable> {
    Ok(text)
}

/// What [`text`] wrote.
pub(super) fn from_text(_: &'static str, text: String) -> std::result::Result<String, Unreadable> {
    Ok(text)
}
