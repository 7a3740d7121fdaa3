//! A run is the fold of its events.

mod event;

pub use event::{AttemptEnding, Proof, RunEvent, RunStatus, SkipReason, Usage};
