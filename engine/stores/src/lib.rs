//! Where the engine keeps what it knows: runs and their journals in SQLite or PostgreSQL, blobs in a directory or
//! in a bucket of S3; and the directories that plugins are in.
//!
//! [`SqliteStore`] is the embedded default of the ports [`Store`](stageway_ports::Store) and
//! [`Inbox`](stageway_ports::Inbox), for one machine; engines on many share a [`PostgresStore`]. [`FsBlobs`] is the default of
//! the port [`Blobs`](stageway_ports::Blobs); engines on many share its directory, or [`BucketBlobs`]. Each keeps the contract suite
//! of its port. Large values of journals lie in the blobs (`journal_body`). This crate alone knows SQL. Secrets never come here:
//! what is written names them, and their values are not in it.

#![deny(missing_docs)]
// `statements` is part of each dialect.
#![allow(clippy::duplicate_mod)]

mod blobs;
mod journal_body;
mod plugins;
mod postgres;
mod shared;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

pub use blobs::{BlobPlace, BucketBlobs, FsBlobs, MAX_BLOB_BYTES};
pub use plugins::{PluginDirectories, beside};
pub use postgres::{PostgresOptions, PostgresStore};
pub use sqlite::SqliteStore;
