use super::value::Bytes;
use serde::{Deserialize, Serialize};

/// How much of the workspace is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Find and read.
    Read,
    /// Also write and remove.
    Write,
}

/// The attempt's own copy of its start tree, as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Workspace {
    /// Answers `Jsons`: {path, kind, size, executable} in order of path.
    Find { patterns: Vec<String>, after: Option<String>, max: u32 },
    /// Answers `Content`.
    Read { path: String },
    /// Answers `Done`.
    Write { path: String, bytes: Bytes, executable: bool },
    /// Answers `Done`.
    Remove { path: String },
}

impl Workspace {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Find { .. } => "find",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Remove { .. } => "remove",
        }
    }
}
