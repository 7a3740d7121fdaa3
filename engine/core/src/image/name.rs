use crate::digest::Digest;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The text is no name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a {kind}: {rule}")]
pub struct ImageNameError {
    /// What was expected.
    pub kind: &'static str,
    /// The text, cut at 120 characters and escaped.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

fn error<T>(kind: &'static str, text: &str, rule: &'static str) -> Result<T, ImageNameError> {
    Err(ImageNameError { kind, text: text.chars().take(120).flat_map(char::escape_debug).collect(), rule })
}

/// The path of a repository within a connection: parts of lower-case letters and digits, joined by `.`, `_`, `__` or
/// dashes, separated by `/`; at most 255 bytes (OCI distribution specification).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryPath(String);

impl RepositoryPath {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the slashes; at least one, none of them `.`, `..` or starting with `.`.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

fn is_part(part: &str) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = part.as_bytes().first().is_some_and(plain) && part.as_bytes().last().is_some_and(plain);
    // What stands between two plain characters is one separator: `.`, `_`, `__`, or dashes.
    let mut separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && separators.all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

impl FromStr for RepositoryPath {
    type Err = ImageNameError;
    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        if text.len() <= 255 && text.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "lower-case letters and digits joined by `.`, `_`, `-` and separated by `/`, at most 255 bytes, are expected";
        error("repository", text, rule)
    }
}

impl fmt::Display for RepositoryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A tag: 1 to 128 letters, digits, `.`, `_` and `-`, not starting with `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagName(String);

impl TagName {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TagName {
    type Err = ImageNameError;
    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let whole = (1..=128).contains(&text.len()) && text.bytes().all(plain);
        if whole && !text.starts_with(['.', '-']) {
            return Ok(Self(text.to_owned()));
        }
        error(
            "tag",
            text,
            "1 to 128 letters, digits, `.`, `_` and `-`, not starting with `.` or `-`, are expected",
        )
    }
}

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands after a repository: a tag or a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageReference {
    /// May name another image later.
    Tag(TagName),
    /// Names one image for ever.
    Digest(Digest),
}

impl FromStr for ImageReference {
    type Err = ImageNameError;
    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        if !text.contains(':') {
            return text.parse().map(Self::Tag);
        }
        match text.parse() {
            Ok(digest) => Ok(Self::Digest(digest)),
            Err(_) => error("digest", text, "`sha256:` and 64 lower-case hex digits are expected"),
        }
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_keep_the_rule_of_the_specification() {
        for good in ["a", "orderbook", "team/order-book", "a--b/c__d/e.f", "0/1"] {
            assert!(good.parse::<RepositoryPath>().is_ok(), "{good}");
        }
        let long = "a".repeat(256);
        for bad in
            ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "A", "a___b", "a..b", "a_-b", "-a", "a\0", &long]
        {
            assert!(bad.parse::<RepositoryPath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn references_are_tags_or_digests() {
        let digest = Digest::of(b"").to_string();
        assert_eq!(digest.parse(), Ok(ImageReference::Digest(Digest::of(b""))));
        assert!(matches!("v1.2_3-x".parse(), Ok(ImageReference::Tag(_))));
        for bad in ["", ".a", "-a", "a/b", "a:b", "sha256:00", &"a".repeat(129), "ä", "a\nb"] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad:?}");
        }
    }
}
