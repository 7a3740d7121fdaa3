//! The ports [`Store`](stageway_ports::Store), [`Inbox`](stageway_ports::Inbox), [`Queue`](stageway_ports::Queue) and
//! [`Freezes`](stageway_ports::Freezes) over one PostgreSQL database, which any number of engines share.
//!
//! # What is guaranteed
//! Every method of the port that writes is one transaction: all of it is there afterwards, or nothing. When it has answered,
//! the server has flushed its log to the disk (`synchronous_commit` is never off here; what an operator asks of standbys
//! beyond that stays). What was not acknowledged may be there or not, never half.
//!
//! A transaction that collides with another, or whose connection is lost before its `COMMIT` is sent, is tried again for ten
//! seconds (`retry`): a server that is restarted in the meantime is not noticed. When the answer to the `COMMIT` itself is
//! missing, nobody can tell, and the method answers [`StoreError::Storage`](stageway_ports::StoreError::Storage): whoever
//! reads the run again sees what stands.
//!
//! # Isolation: READ COMMITTED and locks on rows
//! A write first locks the row of what it decides about, and decides on what it reads under that lock: an append, a claim, a
//! release, a question and a lease the run's row (`FOR UPDATE`, which also compares the fence), a new run and one that takes a
//! place its tenant's row, an answer the question's, and what comes from outside or goes back the lane of its repository
//! (`inbox`). Everything else a run has is written only by whoever holds its row, and what two runs fight for has a row of its
//! own (the environment's lock, taken after the run's), a unique index, or, as the next turn in a concurrency group, a lock on
//! its name (`pg_advisory_xact_lock`). So no write decides on something that another can change meanwhile, and what is left of
//! anomalies at READ COMMITTED has nobody to hit.
//!
//! SERIALIZABLE would give the same and cost more: it tracks every row that was read, refuses transactions that happened to
//! touch the same page, and all of them would have to be tried again, while two appends to one run still have to take turns.
//!
//! Locks are taken in one order (lane, delivery, group, tenant, run, environment, slot of the count), so that no two
//! transactions wait for each other; the few that touch several runs are tried again if they do. Reads take none: each
//! statement sees one moment, and where a method needs two, the second is bound to what the first has read (events up to the
//! version).
//!
//! # Who waits how long
//! A statement 15 s, a lock 8 s, a connection of the pool 10 s, an attempt at a transaction 30 s. A process that stands still
//! in the middle of a transaction loses it after 5 s (`connect`): its locks are free before others have stopped waiting.
//!
//! # The schema
//! All tables lie in the schema `stageway`; they are those of SQLite, with `change` beside `tenant`, `lane` and `holder` beside
//! `delivery` and `schema_version` for the count of migrations in `schema/`, which only go forward while engines of the version
//! before run on (`migrate`). Texts of a record over 4 KiB lie in the blobs, durable before the row that names them. A
//! connection needs its session: a pooler in between must not share it between transactions.

mod changes;
mod connect;
mod dialect;
mod error;
mod holders;
mod inbox;
mod journal;
mod lines;
mod migrate;
mod numbered;
mod options;
mod reports;
mod retry;
mod runs;
mod signals;
#[path = "../statements/mod.rs"]
mod statements;
mod transaction;

#[cfg(test)]
mod tests;

pub use options::PostgresOptions;

use error::{Failure, Result};
use signals::Signals;
use sqlx::PgPool;
use stageway_ports::Blobs;
use std::fmt;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The engine's memory in one PostgreSQL database. A clone is the same handle.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

struct Inner {
    /// For people.
    place: Arc<str>,
    /// What tells this store from others on the same database.
    mark: Arc<str>,
    /// Where large values of journals lie.
    blobs: Arc<dyn Blobs>,
    pool: PgPool,
    /// One connection that listens and one that announces.
    announcements: PgPool,
    /// Ends with the last handle.
    signals: Signals,
    /// Says that this store lives.
    beat: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.beat.abort();
    }
}
