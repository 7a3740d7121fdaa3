//! Tasks on this machine.
//!
//! A child of the engine would die with its pipes when the engine is killed, so tasks belong to a *supervisor*: the same
//! executable in a session of its own, one per state directory, reached by a Unix socket in it. It outlives the engine and
//! ends when it has had nothing to do for a while. [`LocalExecutor`] is the engine's side, [`supervise`] the supervisor's,
//! and [`zygote`] what the first process of each task's sandbox is forked from. All three are one executable: `stageway`,
//! `stageway supervisor` and `stageway supervisor zygote`.
//!
//! What is refused here: following links out of a workspace, running without a sandbox unless told so, and starting a task
//! a second time.

mod client;
mod protocol;
mod sandbox;
mod start;
mod supervisor;
mod toolbox;

pub use client::{LocalExecutor, LocalOptions};
pub use sandbox::zygote;
pub use supervisor::{SuperviseError, SupervisorOptions, supervise};
