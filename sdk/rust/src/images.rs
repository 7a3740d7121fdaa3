//! Images in registries. Grant `images`: by repository and by the actions read, push, tag and move.
//!
//! One interface for AWS ECR, any OCI registry and an OCI image layout directory. A repository is `CONNECTION/PATH`; what a
//! connection is, belongs to the operator.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bindings::stageway::host::images as raw;
pub use crate::bindings::stageway::host::images::{Image, Outcome};
use crate::{HostError, Issue, Verdict, wire};

/// `CONNECTION/PATH@DIGEST` or `CONNECTION/PATH:TAG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// `CONNECTION/PATH`.
    pub repository: String,
    /// Which image of the repository.
    pub version: Version,
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// `sha256:` and 64 hex digits.
    Digest(String),
    /// A name that may come to mean another image.
    Tag(String),
}

impl Reference {
    /// The image with this digest.
    pub fn by_digest(repository: &str, digest: &str) -> Self {
        Self { repository: repository.to_owned(), version: Version::Digest(digest.to_owned()) }
    }

    /// The digest; none if it is a reference by tag.
    pub fn digest(&self) -> Option<&str> {
        match &self.version {
            Version::Digest(digest) => Some(digest),
            Version::Tag(_) => None,
        }
    }

    /// The tag or the digest.
    pub fn version(&self) -> &str {
        let (Version::Digest(text) | Version::Tag(text)) = &self.version;
        text
    }
}

/// The text is not a reference to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceError(String);

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an image: write CONNECTION/PATH@sha256:DIGEST or CONNECTION/PATH:TAG", self.0)
    }
}

impl std::error::Error for ReferenceError {}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).ok_or_else(|| ReferenceError(text.chars().take(300).collect()))
    }
}

fn parse(text: &str) -> Option<Reference> {
    let (repository, version) = match text.split_once('@') {
        Some((repository, digest)) => {
            let hex = digest.strip_prefix("sha256:")?;
            let right = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            (repository, right.then(|| Version::Digest(digest.to_owned()))?)
        }
        None => {
            let (repository, tag) = text.rsplit_once(':')?;
            (repository, is_tag(tag).then(|| Version::Tag(tag.to_owned()))?)
        }
    };
    is_repository(repository).then(|| Reference { repository: repository.to_owned(), version })
}

/// What is wrong with a repository.
pub fn check_repository(pointer: &str, repository: &str) -> Option<Issue> {
    (!is_repository(repository)).then(|| Issue::at(pointer, "is not a repository: write CONNECTION/PATH"))
}

/// What is wrong with a tag.
pub fn check_tag(pointer: &str, tag: &str) -> Option<Issue> {
    (!is_tag(tag)).then(|| Issue::at(pointer, format!("`{tag}` is not a tag")))
}

/// What is wrong with a list of tags.
pub fn check_tags(pointer: &str, tags: &[String]) -> Vec<Issue> {
    let each = tags.iter().enumerate();
    each.filter_map(|(index, tag)| check_tag(&format!("{pointer}/{index}"), tag)).collect()
}

/// Puts tags that name an image for good.
///
/// # Errors
/// Failed, `stageway/tag-conflict`, for a tag that names another image; errored for what the registry does not say or do.
pub fn put_tags(repository: &str, digest: &str, tags: &[String]) -> Result<(), Verdict> {
    for tag in tags {
        self::tag(repository, digest, tag, None).map_err(|error| match error {
            HostError::Conflict(why) => {
                Verdict::failed("stageway/tag-conflict", format!("{repository}:{tag}: {why}"))
            }
            other => other.into(),
        })?;
    }
    Ok(())
}

/// Whether the text is `CONNECTION/PATH`, with a path as the OCI distribution specification has it.
pub fn is_repository(text: &str) -> bool {
    let part = |p: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
        p.bytes().all(allowed)
            && p.starts_with(|c: char| c.is_ascii_alphanumeric())
            && p.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    text.contains('/') && text.split('/').all(part)
}

/// Whether the text is a tag as the OCI distribution specification has it.
pub fn is_tag(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let other = |b: u8| first(b) || matches!(b, b'.' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(other) && text.bytes().next().is_some_and(first)
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Version::Digest(digest) => write!(f, "{}@{digest}", self.repository),
            Version::Tag(tag) => write!(f, "{}:{tag}", self.repository),
        }
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The image with a tag or digest; none if the repository has none.
///
/// # Errors
/// `NotFound` for a repository that is not there, `Denied`, `Unavailable`.
pub fn find(repository: &str, version: &str) -> Result<Option<Image>, HostError> {
    raw::find(repository, version)
}

/// At most `max` tags of a repository after `after`, in order.
///
/// # Errors
/// `NotFound`, `Denied`, `Unavailable`.
pub fn tags(repository: &str, after: Option<&str>, max: u32) -> Result<Vec<String>, HostError> {
    raw::tags(repository, after, max)
}

/// The manifest's own bytes as text; their sha256 is the digest.
///
/// # Errors
/// `NotFound`, `Denied`, `Unavailable`.
pub fn manifest(repository: &str, digest: &str) -> Result<String, HostError> {
    raw::manifest(repository, digest)
}

/// What the registry knows about a repository, or with a digest about an image: `immutability`, `scan-findings`, and of
/// an image its `config`.
///
/// # Errors
/// `stageway/unexpected-answer` if it does not have the shape of `T`; `NotFound`, `Denied`, `Unavailable`.
pub fn facts<T: DeserializeOwned>(repository: &str, digest: Option<&str>) -> Result<T, HostError> {
    wire::parse("images.facts", &raw::facts(repository, digest)?)
}

/// Lets a tag name a digest of the same repository. `replaces` is what the tag must name now: none, nothing. A tag that
/// names the digest already is [`Outcome::Already`].
///
/// # Errors
/// `Conflict` when the tag names something else than `replaces`; `NotFound`, `Denied`, `Unavailable`.
pub fn tag(repository: &str, digest: &str, tag: &str, replaces: Option<&str>) -> Result<Outcome, HostError> {
    raw::tag(repository, digest, tag, replaces)
}

/// Copies an image to another repository, byte for byte, an index with its children.
///
/// # Errors
/// `NotFound`, `Denied`, `Unavailable`.
pub fn copy(repository: &str, digest: &str, target: &str) -> Result<Outcome, HostError> {
    raw::copy(repository, digest, target)
}

/// Stores a manifest whose blobs are artifacts of this run or in the repository; answers its digest.
///
/// # Errors
/// `NotFound` for a blob that is neither, `InvalidArgument`, `Denied`, `Unavailable`.
pub fn push(repository: &str, manifest: &str, media_type: &str) -> Result<String, HostError> {
    raw::push(repository, manifest, media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_read_and_shown() {
        let text = format!("build/team/orderbook@{DIGEST}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(
            (reference.repository.as_str(), reference.digest()),
            ("build/team/orderbook", Some(DIGEST))
        );
        assert_eq!(reference.to_string(), text);
        let reference: Reference = "build/orderbook:v1.2".parse().unwrap();
        assert_eq!((reference.version(), reference.digest()), ("v1.2", None));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            "orderbook:1",
            "build/orderbook",
            "build/Order:1",
            "build/orderbook@sha256:00",
            "build/x:",
            "a//b:1",
            "../b:1",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
        assert!(!is_tag(".x") && !is_tag(&"x".repeat(129)) && is_tag("prod-2f0c"));
    }
}
