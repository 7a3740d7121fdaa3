//! The attempt's own view of its tree. Grant `workspace`: read or write.
//!
//! A value, never a directory that a task is writing to: what a task collected is here once its ending was answered.
//! Paths are relative, UTF-8 and separated by `/`.

use serde::Deserialize;

use crate::bindings::stageway::host::workspace as raw;
use crate::reader::Reader;
use crate::{HostError, wire};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Relative to the workspace.
    pub path: String,
    /// `file`, `link` or `folder`.
    pub kind: String,
    /// Bytes of a file.
    #[serde(default)]
    pub size: u64,
    /// Whether a file may be executed.
    #[serde(default)]
    pub executable: bool,
    /// Of a file's bytes: `sha256:` and 64 hex digits.
    #[serde(default)]
    pub digest: Option<String>,
    /// Where a link leads, as it is written.
    #[serde(default)]
    pub target: Option<String>,
}

/// Most entries asked for in one call.
const PAGE: u32 = 1000;

/// The entries that match any of the glob patterns, in order of path, if they are at most `limit`.
///
/// # Errors
/// `LimitExceeded` when there are more; `InvalidArgument` for a pattern that is none; `Denied`.
pub fn find(patterns: &[String], limit: usize) -> Result<Vec<Entry>, HostError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let page: Vec<Entry> = wire::parse_all(
            "workspace.find",
            &raw::find(patterns, all.last().map(|e| e.path.as_str()), PAGE)?,
        )?;
        let last = page.len() < PAGE as usize;
        all.extend(page);
        if all.len() > limit {
            return Err(HostError::LimitExceeded(format!("more than {limit} paths match")));
        }
        if last {
            return Ok(all);
        }
    }
}

/// The bytes of a file.
///
/// # Errors
/// `NotFound`, `InvalidArgument` for a path that is none, `Denied`.
pub fn read(path: &str) -> Result<Reader, HostError> {
    raw::read(path)
}

/// Replaces a file, with the folders it needs. Needs `workspace: write`.
///
/// # Errors
/// `InvalidArgument` for a path that is none, `LimitExceeded`, `Denied`.
pub fn write(path: &str, bytes: &[u8], executable: bool) -> Result<(), HostError> {
    raw::write(path, bytes, executable)
}

/// Removes a file or a folder with what it holds. Needs `workspace: write`.
///
/// # Errors
/// `NotFound`, `InvalidArgument` for a path that is none, `Denied`.
pub fn remove(path: &str) -> Result<(), HostError> {
    raw::remove(path)
}
