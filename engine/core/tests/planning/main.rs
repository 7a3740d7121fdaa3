//! From a file, an event, plugins and a policy to a plan: grants, trust, schemas, outputs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its fixtures and fails by panicking"
)]

mod checked;
mod conditions;
mod example;
mod granted;
mod matrix;
mod world;
