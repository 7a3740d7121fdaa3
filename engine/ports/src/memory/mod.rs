//! In-memory adapters, for tests of logic. They keep the contract of their port; nothing here outlives the process.
//!
//! Each counts what it was made to do, so that a test can compare the effects of a run that was killed with those of one
//! that was not.

mod blobs;
mod calls;
mod directory;
mod executor;
mod http;
mod registry;
mod store;

pub use blobs::MemoryBlobs;
pub use calls::ScriptedCalls;
pub use directory::DirectoryBlobs;
pub use executor::{ExecutorFault, MemoryExecutor, TaskScript, exited};
pub use http::{MemoryHttp, Script};
pub use registry::{MemoryRegistry, RegistryFault};
pub use store::{Fault, MemoryStore};
