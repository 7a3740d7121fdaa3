//! What the store says alike in every dialect: one source, compiled into each (`#[path]`).
//!
//! Parameters are `$1`, `$2`, …, in SQLite as well; numbers are `i64`, the one integer that both have. `sql` asks and does: sqlx for
//! PostgreSQL, and what has its shape for SQLite. Where
//! the dialects differ, the room that this is a part of says how: what a transaction is (`Read`, `Write`), how a method
//! of the port becomes one (`reading!`, `writing!`), that a row is locked (`locking!`), how text of other people is kept
//! (`text`, `from_text`), that two values are the same or both nothing (`same!`), that a run has a key (`keyed!`), what else a
//! status is that was told (`unclaimed!`), that nobody else works on a repository (`hold_lane`) or a group of runs
//! (`hold_group`, and `hold_group_of` a run that ends). What is said in another way altogether stands there: how many rows are written at once, how a change is
//! told, how a database is opened.

mod append;
mod approvals;
mod environments;
mod freezes;
mod held;
pub(super) mod inbox;
mod journal;
mod leases;
pub(super) mod lines;
mod port;
mod proofs;
pub(super) mod queue;
mod releases;
mod reports;
pub(super) mod runs;

use super::Result;
use super::dialect::{
    Answer, Connection, Handle, from_text, keyed, locking, reading, same, sql, text, unclaimed, writing,
};
use super::transaction::{Read, Write};
