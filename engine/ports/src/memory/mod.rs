//! In-memory adapters, for tests of logic. They keep the contract of their port; nothing here outlives the process.
//!
//! Each counts what it was made to do, so that a test can compare the effects of a run that was killed with those of one
//! that was not.

mod blobs;
mod calls;
mod chaos;
mod clock;
mod directory;
mod executor;
mod forge;
mod guests;
mod halting;
mod http;
mod registry;
mod secrets;
mod source;
mod store;

pub use blobs::MemoryBlobs;
pub use calls::ScriptedCalls;
pub use chaos::{Step, Word, chaos, steps, task_script};
pub use clock::ManualClock;
pub use directory::DirectoryBlobs;
pub use executor::{ExecutorFault, MemoryExecutor, TaskScript, exited};
pub use forge::{MemoryForge, Reported};
pub use guests::{Scripted, ScriptedGuests, ScriptedHost, ScriptedLife};
pub use halting::HaltingGuests;
pub use http::{MemoryHttp, Script};
pub use registry::{MemoryRegistry, RegistryFault};
pub use secrets::MemorySecrets;
pub use source::MemorySource;
pub use store::{Fault, MemoryStore};
