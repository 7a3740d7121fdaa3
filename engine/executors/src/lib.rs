//! Executors: where tasks run.
//!
//! [`local`] runs them on this machine, each in a sandbox, beneath a supervisor that outlives the engine. [`kubernetes`] runs them as
//! pods of a cluster. [`DividedExecutor`] has both.

#![deny(missing_docs)]

mod divided;
pub mod kubernetes;
pub mod local;

pub use divided::DividedExecutor;
