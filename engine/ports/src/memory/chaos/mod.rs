//! A guest that makes random calls over every interface. What it calls follows from its seed alone, so that two lives of it
//! with the same outside must leave the same outside behind, however often the engine died in between.
//!
//! [`Step`] and [`steps`] are plain Rust without dependencies: a component can include `steps.rs` as it is.

mod guest;
mod steps;

pub use guest::{chaos, task_script};
pub use steps::{Step, Word, steps};
