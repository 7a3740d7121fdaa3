//! How a pipeline names a plugin, and what a plugin is called.

use crate::text::text_conversions;
use semver::Version;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// `NAMESPACE/NAME`, each 1 to 63 lower-case letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginName(String);

/// The text names no plugin.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PluginRefError {
    /// The name is not `NAMESPACE/NAME`.
    #[error("`{0}` is not a plugin name: NAMESPACE/NAME in lower-case letters, digits and `-` is expected")]
    Name(String),
    /// There is no `@VERSION`.
    #[error("`{0}` names no version: NAMESPACE/NAME@1 is expected")]
    NoVersion(String),
    /// The version is not `1`, `1.4`, or a complete one.
    #[error("`{0}` is not a version: `1`, `1.4` or `1.4.2` is expected")]
    Version(String),
    /// The file is not a relative path that ends with `.wasm`.
    #[error(
        "`{0}` is not a component file: a path below the pipeline file's directory, `./x.wasm`, is expected"
    )]
    File(String),
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}

impl PluginName {
    /// Checks the text.
    ///
    /// # Errors
    /// [`PluginRefError::Name`].
    pub fn new(text: impl Into<String>) -> Result<Self, PluginRefError> {
        let text = text.into();
        match text.split_once('/') {
            Some((namespace, name)) if is_label(namespace) && is_label(name) => Ok(Self(text)),
            _ => Err(PluginRefError::Name(cut(&text))),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PluginName {
    type Error = PluginRefError;
    fn try_from(text: String) -> Result<Self, PluginRefError> {
        Self::new(text)
    }
}

impl From<PluginName> for String {
    fn from(name: PluginName) -> String {
        name.0
    }
}

impl fmt::Display for PluginName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which versions a reference takes: the highest that matches, a pre-release only when written out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionRef {
    /// `1`: any 1.x.y.
    Major(u64),
    /// `1.4`: any 1.4.y.
    Minor(u64, u64),
    /// `1.4.2` or `2.0.0-rc.1`: that one.
    Exact(Version),
}

impl VersionRef {
    /// Whether a plugin of this version may answer.
    pub fn matches(&self, version: &Version) -> bool {
        match self {
            Self::Major(major) => version.pre.is_empty() && version.major == *major,
            Self::Minor(major, minor) => {
                version.pre.is_empty() && version.major == *major && version.minor == *minor
            }
            Self::Exact(exact) => exact == version,
        }
    }
}

impl FromStr for VersionRef {
    type Err = PluginRefError;
    fn from_str(text: &str) -> Result<Self, PluginRefError> {
        let wrong = || PluginRefError::Version(cut(text));
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            if plain { text.parse::<u64>().map_err(|_| wrong()) } else { Err(wrong()) }
        };
        match text.split('.').collect::<Vec<_>>()[..] {
            [major] => Ok(Self::Major(number(major)?)),
            [major, minor] => Ok(Self::Minor(number(major)?, number(minor)?)),
            _ => Version::parse(text).map(Self::Exact).map_err(|_| wrong()),
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Major(major) => write!(f, "{major}"),
            Self::Minor(major, minor) => write!(f, "{major}.{minor}"),
            Self::Exact(version) => write!(f, "{version}"),
        }
    }
}

/// What stands after `uses:`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PluginRef {
    /// `stageway/unit-test@1`.
    Named {
        /// The plugin.
        name: PluginName,
        /// Which of its versions.
        version: VersionRef,
    },
    /// `./x.wasm`: a component beside the pipeline file; protected trust only.
    File(String),
}

impl FromStr for PluginRef {
    type Err = PluginRefError;
    fn from_str(text: &str) -> Result<Self, PluginRefError> {
        if let Some(path) = text.strip_prefix("./") {
            let inside = path.split('/').all(|part| !part.is_empty() && part != ".." && part != ".");
            let plain = inside && path.ends_with(".wasm") && path.len() <= 1024;
            let written = plain && !path.contains(['\0', '\\']);
            return if written {
                Ok(Self::File(text.to_owned()))
            } else {
                Err(PluginRefError::File(cut(text)))
            };
        }
        let (name, version) = text.split_once('@').ok_or_else(|| PluginRefError::NoVersion(cut(text)))?;
        Ok(Self::Named { name: PluginName::new(name)?, version: version.parse()? })
    }
}

impl fmt::Display for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name, version } => write!(f, "{name}@{version}"),
            Self::File(path) => f.write_str(path),
        }
    }
}

text_conversions!(PluginRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        for good in
            ["stageway/unit-test@1", "a/b@1.4", "a/b@1.4.2", "a/b@2.0.0-rc.1", "./x.wasm", "./p/x.wasm"]
        {
            assert_eq!(good.parse::<PluginRef>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "a",
            "a/b",
            "a/b@",
            "a/b@v1",
            "a/b@01",
            "a/b@1.2.3.4",
            "A/b@1",
            "a/b/c@1",
            "./../x.wasm",
            "./x",
            "/x.wasm",
            "./a//x.wasm",
            "a/b@1@2",
        ] {
            assert!(bad.parse::<PluginRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_version_written_decides() {
        let matches = |text: &str, version: &str| {
            text.parse::<VersionRef>().unwrap().matches(&Version::parse(version).unwrap())
        };
        assert!(matches("1", "1.9.3") && matches("1.4", "1.4.0") && matches("1.4.2", "1.4.2"));
        assert!(!matches("1", "2.0.0") && !matches("1.4", "1.5.0") && !matches("1", "1.5.0-rc.1"));
        assert!(matches("1.5.0-rc.1", "1.5.0-rc.1"));
    }
}
