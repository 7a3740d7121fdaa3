//! The conductor: the asynchronous shell around the pure core.

pub mod attempt;
mod cancel;
pub mod driver;
pub mod engine;
pub mod intake;
pub mod planner;
pub mod replay;
pub mod scheduler;
pub mod service;
pub mod trees;
