//! What was released where. Grant `environments`, by name.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::stageway::host::environments as raw;
use crate::{HostError, wire};

/// The stage's own environment, in the place of a name.
pub const OWN: &str = "";

/// What a release turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// A rollback may return to it.
    Good,
    /// A rollback leaves it.
    Bad,
    /// It could not be told.
    Unknown,
}

/// At most `max` releases, newest first.
///
/// # Errors
/// `stageway/unexpected-answer` if one does not have the shape of `T`; `Denied`.
pub fn releases<T: DeserializeOwned>(environment: &str, max: u32) -> Result<Vec<T>, HostError> {
    wire::parse_all("environments.releases", &raw::releases(environment, max)?)
}

/// Records a release, a JSON object; answers its id.
///
/// # Errors
/// `InvalidArgument`, `Denied`.
pub fn release(environment: &str, what: &impl Serialize) -> Result<String, HostError> {
    raw::release(environment, &wire::write("what", what)?)
}

/// Records what a release turned out to be. The same judgement again changes nothing, unless the earlier one had no reason.
///
/// # Errors
/// `NotFound`, `Denied`.
pub fn judge(environment: &str, release: &str, judgement: Judgement, reason: &str) -> Result<(), HostError> {
    let verdict = match judgement {
        Judgement::Good => "good",
        Judgement::Bad => "bad",
        Judgement::Unknown => "unknown",
    };
    raw::judge(environment, release, verdict, reason)
}
