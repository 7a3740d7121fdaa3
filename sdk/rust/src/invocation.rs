//! What this attempt is. Always linked.
//!
//! A stage is skipped only when every fact it asked for is the same again, so ask for as few as possible.

use serde::de::DeserializeOwned;

use crate::bindings::stageway::host::invocation as raw;
use crate::{HostError, wire};

/// The run's id.
pub fn run_id() -> String {
    raw::run_id()
}

/// The stage's name in the pipeline file.
pub fn stage_name() -> String {
    raw::stage_name()
}

/// Counts from 1.
pub fn attempt() -> u32 {
    raw::attempt()
}

/// The same on every resume of this attempt and different for every other: for idempotency keys and names.
pub fn key() -> String {
    raw::key()
}

/// What started the run, as the published event schema describes it.
///
/// # Errors
/// `stageway/unexpected-answer` if it does not have the shape of `T`.
pub fn event<T: DeserializeOwned>() -> Result<T, HostError> {
    wire::parse("invocation.event", &raw::event())
}

/// A parameter of the run; none if the run has none of that name.
///
/// # Errors
/// `stageway/unexpected-answer` if it does not have the shape of `T`.
pub fn parameter<T: DeserializeOwned>(name: &str) -> Result<Option<T>, HostError> {
    raw::parameter(name).map(|json| wire::parse("invocation.parameter", &json)).transpose()
}

/// An output of a stage that this one needs, or of a stage with a matrix the outputs of the cell of that name; none if there is none of
/// that name.
///
/// # Errors
/// `stageway/unexpected-answer` if it does not have the shape of `T`.
pub fn upstream_output<T: DeserializeOwned>(stage: &str, name: &str) -> Result<Option<T>, HostError> {
    raw::upstream_output(stage, name).map(|json| wire::parse("invocation.upstream-output", &json)).transpose()
}

/// A limit of this attempt, for example `memory-bytes` or `wall-ms`.
pub fn limit(name: &str) -> Option<f64> {
    raw::limit(name)
}

/// `count` bytes of a stream seeded by the attempt: not for keys or secrets.
pub fn random(count: u32) -> Vec<u8> {
    raw::random(count)
}

/// Whether the stage is being cancelled: ask between units of work.
pub fn is_cancelled() -> bool {
    raw::is_cancelled()
}
