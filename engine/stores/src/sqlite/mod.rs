//! The ports [`Store`](stageway_ports::Store) and [`Inbox`](stageway_ports::Inbox) over one SQLite file.
//!
//! # What is guaranteed
//! Every method of the port that writes is one transaction: all of it is there afterwards, or nothing. The file is in WAL
//! mode with `synchronous=FULL`: when a method has answered, its transaction has been written to the log and the log
//! flushed to the disk, so it survives a killed process, a killed machine and a power loss, as far as the disk keeps what
//! it has acknowledged a flush of. Transactions that wait at the same time share a flush (`turns`). What was not
//! acknowledged may be there or not, never half. A database whose directory was made by [`SqliteStore::open`] is itself flushed into it.
//!
//! # Who may use the file
//! Any number of processes of one machine, and any number of handles in each. One transaction writes at a time, over
//! all of them; it waits at most [`BUSY`] for its turn, and answers then that the storage is busy. Readers wait for
//! nobody: each statement sees one moment, and where a method needs two, the second is bound to what the first has read.
//! The file must lie on a file system of this machine: WAL needs shared memory, which network file systems do not have.
//!
//! # The schema
//! | table | a row is | key after the tenant |
//! | -- | -- | -- |
//! | `tenant` | a tenant: the number of its newest run, its count of changes | |
//! | `run` | a run: version, fence, lease, wish for its end, and the projections of its events | run |
//! | `plan` | the frozen plan of a run | run |
//! | `event` | an event of a run | run, version |
//! | `record` | a record of an attempt's journal | run, stage, attempt, seq, part |
//! | `line` | a line for people | run, number; once by origin among those that stand |
//! | `report` | a measure, an annotation, a test report | run, number; once by (seq, ordinal) among those that stand |
//! | `proof` | what a later attempt may be compared with | run, stage, attempt |
//! | `environment` | the lock of an environment: its fence and its holder | environment |
//! | `environment_order` | the latest run of a group that held the lock | environment, group |
//! | `release` | what was released to an environment, and its verdict | environment, id |
//! | `delivery` | a delivery: its claim, and what became of it | id; once by (webhook, key) |
//! | `delivery_body` | its bytes | id |
//! | `moved` | a move that a delivery tells of | id, ordinal |
//! | `head` | a move of a ref's head | repository, ref, generation |
//! | `origin` | where a run came from | run; once by its key |
//! | `status` | what a forge is to be told | number |
//! | `frozen` | something that is frozen now | environment |
//! | `freeze_event` | that something was frozen or thawed | number |
//! | `approval` | a question to a person, and the answer | run, stage, attempt, seq |
//!
//! Every row carries its tenant, and every key and index begins with it or contains it; every statement names it. Events,
//! records, plans and whatever plugins said are JSON in text columns; what is searched or compared has columns of its own.
//! Texts of a record over 4 KiB lie in the blobs, durable before the row that names them; nothing removes them yet.
//! Tables are clustered by their key, so that a run's rows lie together and an append dirties few pages. `user_version`
//! counts the migrations in `schema/`, which only go forward; a database of a newer engine is refused.

mod changes;
mod dialect;
mod error;
mod file;
mod inbox;
mod journal;
mod lines;
mod migrate;
mod open;
mod readers;
mod reports;
mod runs;
mod sql;
// Those of PostgreSQL have to be named.
#[allow(clippy::explicit_auto_deref)]
#[path = "../statements/mod.rs"]
mod statements;
mod transaction;
mod turns;

#[cfg(test)]
mod tests;

use crate::shared::Board;
use changes::Watcher;
use error::{Failure, Result};
use file::File;
use readers::Readers;
use stageway_ports::Blobs;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use turns::Turns;

/// How long a transaction waits for its turn to write.
const BUSY: Duration = Duration::from_secs(15);

/// The engine's memory in one SQLite file. A clone is the same handle.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.inner.file.path()).finish_non_exhaustive()
    }
}

struct Inner {
    file: File,
    /// Where large values of journals lie.
    blobs: Arc<dyn Blobs>,
    /// One connection: transactions of this process take turns here, not in SQLite.
    turns: Arc<Turns>,
    readers: Arc<Readers>,
    /// Who waits for what is written, by this process or another.
    board: Arc<Board>,
    /// Ends with the last handle.
    _watcher: Watcher,
}
