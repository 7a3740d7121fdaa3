//! In-memory adapters, for tests of logic. They keep the contract of their port; nothing here outlives the process.

mod blobs;
mod store;

pub use blobs::MemoryBlobs;
pub use store::{Fault, MemoryStore};
