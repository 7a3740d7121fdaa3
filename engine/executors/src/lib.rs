//! Executors: where tasks run.
//!
//! [`local`] runs them on this machine, each in a sandbox, beneath a supervisor that outlives the engine.

#![deny(missing_docs)]

pub mod local;
