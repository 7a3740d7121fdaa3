//! Logical time: it moves when the outside answers. Always linked.

use crate::bindings::stageway::host::clock as raw;
use crate::{HostError, Span};

/// Milliseconds since 1970-01-01T00:00Z at the latest answer from outside.
pub fn now_ms() -> f64 {
    raw::now_ms()
}

/// Waits durably: the attempt may leave memory and goes on after a restart of the engine with the same deadline.
///
/// # Errors
/// `Cancelled` when the stage is cancelled meanwhile.
pub fn sleep(how_long: Span) -> Result<(), HostError> {
    raw::sleep(how_long.as_millis())
}
