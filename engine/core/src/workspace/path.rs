use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// A path in a workspace: relative, UTF-8, separated by `/`, without `.`, `..`, empty parts or NUL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspacePath(String);

/// Why a text is not a path of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{path}` is not a path of the workspace: {rule}")]
pub struct PathError {
    /// The text, cut at 200 characters and escaped.
    pub path: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl WorkspacePath {
    /// Checks the text.
    ///
    /// # Errors
    /// [`PathError`] with the first rule that it breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        match broken_rule(&text) {
            None => Ok(Self(text)),
            Some(rule) => {
                Err(PathError { path: text.chars().take(200).flat_map(char::escape_debug).collect(), rule })
            }
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// This path below a folder.
    pub fn below(&self, folder: &WorkspacePath) -> WorkspacePath {
        Self(format!("{}/{}", folder.0, self.0))
    }

    /// The rest of this path below `folder`; none if it is not below it.
    pub fn strip(&self, folder: &WorkspacePath) -> Option<WorkspacePath> {
        self.0.strip_prefix(&folder.0)?.strip_prefix('/').map(|rest| Self(rest.to_owned()))
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > 4096 {
        return Some("it is longer than 4096 bytes");
    }
    if text.contains('\0') {
        return Some("it contains NUL");
    }
    if text.starts_with('/') {
        return Some("it is absolute");
    }
    if text.ends_with('/') {
        return Some("it ends with `/`");
    }
    for part in text.split('/') {
        match part {
            "" => return Some("it has an empty part"),
            "." | ".." => return Some("it has a part `.` or `..`"),
            _ if part.len() > 255 => return Some("a part is longer than 255 bytes"),
            _ => {}
        }
    }
    None
}

impl TryFrom<String> for WorkspacePath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(text)
    }
}

impl From<WorkspacePath> for String {
    fn from(path: WorkspacePath) -> String {
        path.0
    }
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_pass() {
        for good in ["a", "a/b.txt", "ä/ö", "..a/b", ".git"] {
            assert!(WorkspacePath::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "./a", "a/../b", "..", "a\0b", &"a".repeat(300)] {
            assert!(WorkspacePath::new(bad).is_err(), "{bad:?}");
        }
    }
}
