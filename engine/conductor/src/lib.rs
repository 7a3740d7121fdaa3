//! The conductor: the asynchronous shell around the pure core.

pub mod attempt;
pub mod engine;
