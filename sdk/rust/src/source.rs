//! The repository at the run's revision. Grant `source`.

use serde::Deserialize;

use crate::bindings::stageway::host::source as raw;
use crate::{HostError, wire};

/// One commit.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Commit {
    /// Its id.
    pub revision: String,
    /// Who wrote it: untrusted text.
    pub author: String,
    /// When, as the host writes it.
    pub at: serde_json::Value,
    /// The first line of its message: untrusted text.
    pub title: String,
    /// The whole message: untrusted text.
    #[serde(default)]
    pub message: String,
}

/// Most paths asked for in one call.
const PAGE: u32 = 1000;

/// Paths that changed since a revision, or without one since the event's base, in order, if they are at most `limit`.
///
/// # Errors
/// `LimitExceeded` when there are more; `NotFound` for a revision that is not there; `Denied`.
pub fn changed_files(since: Option<&str>, limit: usize) -> Result<Vec<String>, HostError> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let page = raw::changed_files(since, all.last().map(String::as_str), PAGE)?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if all.len() > limit {
            return Err(HostError::LimitExceeded(format!("more than {limit} files changed")));
        }
        if last {
            return Ok(all);
        }
    }
}

/// At most `max` commits since a revision, newest first.
///
/// # Errors
/// `NotFound` for a revision that is not there; `Denied`.
pub fn commits(since: Option<&str>, max: u32) -> Result<Vec<Commit>, HostError> {
    wire::parse_all("source.commits", &raw::commits(since, max)?)
}
