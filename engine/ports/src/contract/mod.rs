//! The contract suites: what every adapter of a port must do, run on each of them.

pub mod registry;
