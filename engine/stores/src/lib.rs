//! Where the engine keeps what it knows: runs and their journals in SQLite, blobs in a directory.
//!
//! [`SqliteStore`] is the embedded default of the port [`Store`](stageway_ports::Store) and [`FsBlobs`] that of the port
//! [`Blobs`](stageway_ports::Blobs). Each keeps the contract suite of its port. This crate alone knows SQL. Secrets never come
//! here: what is written names them, and their values are not in it.

#![deny(missing_docs)]

mod blobs;
mod sqlite;

pub use blobs::{FsBlobs, MAX_BLOB_BYTES};
pub use sqlite::SqliteStore;
