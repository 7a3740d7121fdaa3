//! Executors: where tasks run, and what else is done in clusters.
//!
//! [`local`] runs them on this machine, each in a sandbox, beneath a supervisor that outlives the engine. [`kubernetes`] runs them as
//! pods of a cluster, [`DividedExecutor`] has both. [`cluster`] reads, applies and follows its objects.

#![deny(missing_docs)]

pub mod cluster;
mod divided;
pub mod kubernetes;
pub mod local;
mod reach;

pub use divided::{DividedExecutor, PodExecutors};
