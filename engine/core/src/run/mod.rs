//! A run is the fold of its events; what happens next is decided from the plan and that state, by nobody but [`decide()`].

mod again;
mod agenda;
mod decide;
mod event;
#[cfg(test)]
mod sample;
mod standing;
mod state;

pub use again::again;
pub use agenda::Agenda;
pub use decide::{Conditions, Decision, decide, next_attempt};
pub use event::{AttemptEnding, Proof, RunEvent, RunStatus, SkipReason, Usage};
pub use standing::Standing;
pub use state::{Ended, RunState, StageState, StageStatus};
