//! How PostgreSQL says what `statements` leaves to its dialect.

use super::{PostgresStore, Result};
use crate::journal_body::Row;
use crate::shared::{Unreadable, from_json, json};
use stageway_ports::{Batch, StoreError, Writer};

pub(super) type Handle = PostgresStore;
pub(super) type Connection = sqlx::PgConnection;
pub(super) type Answer<T> = std::result::Result<T, StoreError>;

/// What asks and does.
pub(super) mod sql {
    pub(crate) use sqlx::{query, query_as, query_scalar};
}

/// One method that reads: `reading!(self, tenant, method(arguments))`.
macro_rules! reading {
    ($self:ident, $tenant:expr, $method:ident ( $($argument:expr),* )) => {{
        let done = $crate::postgres::retry::patiently!(async {
            let mut read = $self.read($tenant).await?;
            let done = read.$method($($argument),*).await;
            $crate::postgres::PostgresStore::end(read, done)
        });
        $self.port(done)
    }};
}

/// One transaction that writes: all of it is durable afterwards, or nothing was done.
macro_rules! writing {
    ($self:ident, $tenant:expr, $method:ident ( $($argument:expr),* )) => {{
        let done = $crate::postgres::retry::patiently!(async {
            let mut write = $self.write($tenant).await?;
            let done = write.$method($($argument),*).await;
            $self.finish(write, done).await
        });
        $self.port(done)
    }};
}

/// A row that a transaction decides about: nobody else writes it before the end.
macro_rules! locking {
    ($statement:literal) => {
        concat!($statement, " FOR UPDATE")
    };
}

/// That a column is what was given, or both are nothing; as an index has it, which `IS NOT DISTINCT FROM` cannot use.
macro_rules! same {
    ($column:literal, $given:literal) => {
        concat!("coalesce(", $column, ", '') = coalesce(", $given, ", '')")
    };
}

/// That a run's key is what was given. A key may be longer than an index takes.
macro_rules! keyed {
    ($given:literal) => {
        concat!(
            "hashtextextended(origin.key, 0) = hashtextextended(",
            $given,
            ", 0) AND origin.key = ",
            $given
        )
    };
}

/// What else is set of a status that was told, or could not be: nobody claims it any more.
macro_rules! unclaimed {
    () => {
        ", claimed_until = 0"
    };
}

pub(super) use {keyed, locking, reading, same, unclaimed, writing};

impl PostgresStore {
    /// The error of the port, with the place and a remedy.
    pub(super) fn port<T>(&self, done: Result<T>) -> Answer<T> {
        done.map_err(|failure| failure.at(&self.inner.place))
    }

    pub(super) async fn append_rows(&self, writer: &Writer, batch: Batch, rows: Vec<Row>) -> Answer<u64> {
        writing!(self, &writer.tenant, append(writer, &batch, &rows))
    }
}

/// What people and plugins wrote, for a column: JSON, where NUL is an escape. PostgreSQL's text holds none.
pub(super) fn text(text: &str) -> std::result::Result<String, Unreadable> {
    json(text)
}

/// What [`text`] wrote.
pub(super) fn from_text(what: &'static str, text: String) -> std::result::Result<String, Unreadable> {
    from_json(what, &text)
}
