//! Engines and supervisors that are killed by SIGKILL, and what is left.

#![allow(clippy::unwrap_used, clippy::panic)]

mod approval;
mod chaos;
mod engine;
mod pipeline;
mod supervisor;
