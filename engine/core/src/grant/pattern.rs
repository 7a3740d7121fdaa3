//! The patterns that grants name things by. Each is checked when it is made and matches in linear time.

use crate::text::text_conversions;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The text is no pattern of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no {kind}: {rule}")]
pub struct PatternError {
    /// What was expected.
    pub kind: &'static str,
    /// The text, cut at 120 characters.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

fn error<T>(kind: &'static str, text: &str, rule: &'static str) -> Result<T, PatternError> {
    Err(PatternError { kind, text: text.chars().take(120).collect(), rule })
}

/// A repository `CONNECTION/PATH`, or all below a prefix: `build/*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryPattern(String);

impl RepositoryPattern {
    /// Whether it covers this repository, written without tag and digest.
    pub fn matches(&self, repository: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => repository.len() > prefix.len() && repository.starts_with(prefix),
            None => repository == self.0,
        }
    }

    /// Whether it covers everything that `other` covers.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(mine), Some(theirs)) => theirs.starts_with(mine),
            (Some(_), None) => self.matches(&other.0),
            (None, Some(_)) => false,
            (None, None) => self.0 == other.0,
        }
    }

    /// The first part: the operator's connection.
    pub fn connection(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(connection, _)| connection)
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_repository_part(part: &str) -> bool {
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        && !part.starts_with('.')
}

impl FromStr for RepositoryPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let rule =
            "CONNECTION/PATH in lower-case letters, digits, `.`, `_` and `-`, or CONNECTION/* is expected";
        let parts: Vec<&str> = text.split('/').collect();
        let (last, before) = parts.split_last().expect("split yields one part at least");
        let whole =
            before.iter().all(|p| is_repository_part(p)) && (*last == "*" || is_repository_part(last));
        if !whole || before.is_empty() || text.len() > 255 {
            return error("repository", text, rule);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_conversions!(RepositoryPattern);

/// An image of a task: a repository (every tag and digest of it), a reference with tag or digest (that one), or all
/// below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePattern(String);

/// The repository of an image reference: without digest and tag.
pub(crate) fn repository_of(reference: &str) -> &str {
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    match name.rfind(':') {
        Some(colon) if !name[colon..].contains('/') => &name[..colon],
        _ => name,
    }
}

impl ImagePattern {
    /// Whether it covers this reference.
    pub fn matches(&self, reference: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => {
                let repository = repository_of(reference);
                repository.len() > prefix.len() && repository.starts_with(prefix)
            }
            None => self.0 == reference || self.0 == repository_of(reference),
        }
    }

    /// Whether it covers everything that `other` covers.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.0.strip_suffix('*'), other.0.strip_suffix('*')) {
            (Some(mine), Some(theirs)) => theirs.starts_with(mine),
            (None, Some(_)) => false,
            (_, None) => self.matches(&other.0),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImagePattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let rule = "an image reference, or a prefix that ends with /*, is expected";
        let body = text.strip_suffix("/*").unwrap_or(text);
        let plain = |c: char| c.is_ascii_alphanumeric() || "./_-:@+".contains(c);
        if body.is_empty() || text.len() > 512 || !body.chars().all(plain) || body.starts_with('/') {
            return error("image", text, rule);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_conversions!(ImagePattern);

/// A host and a port: `hooks.example.com:443`, `*.example.com:443`, `[::1]:9090`. Without a port it is 443.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    host: String,
    port: u16,
}

impl HostPattern {
    /// Whether it covers this host (any case, without brackets or a final dot) and port.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        let host =
            host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let named = match self.host.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == self.host,
        };
        named && port == self.port
    }

    /// Whether it covers everything that `other` covers.
    pub fn covers(&self, other: &Self) -> bool {
        match (self.host.strip_prefix('*'), other.host.strip_prefix('*')) {
            (Some(mine), Some(theirs)) => self.port == other.port && theirs.ends_with(mine),
            (None, Some(_)) => false,
            (_, None) => self.matches(&other.host, other.port),
        }
    }

    /// The host or its pattern, in lower case, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host and port of an `http` or `https` URL; `None` if it is not one or holds a user.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let default = match scheme.to_ascii_lowercase().as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        if authority.contains(['@', '*']) {
            return None;
        }
        Self::parse(authority, default)
    }

    fn parse(text: &str, default: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (address, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
            }
            None => text.split_once(':').unwrap_or((text, "")),
        };
        let port = match port {
            "" if text.ends_with(':') => return None,
            "" => default,
            port if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok().filter(|port| *port > 0)?,
            _ => return None,
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let named = host.contains(':') || is_host_name(host.strip_prefix("*.").unwrap_or(&host));
        // A pattern of one label such as `*.com` would take in everybody.
        let narrow = host.strip_prefix("*.").is_none_or(|rest| rest.contains('.'));
        (named && narrow && host.len() <= 253).then_some(Self { host, port })
    }
}

fn is_host_name(host: &str) -> bool {
    host.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

impl FromStr for HostPattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        match Self::parse(text, 443) {
            Some(pattern) => Ok(pattern),
            None => error("host", text, "HOST or HOST:PORT is expected, where HOST may start with `*.`"),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
text_conversions!(HostPattern);

/// The name of a secret: upper-case letters, digits and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if (1..=128).contains(&text.len())
            && text.bytes().all(plain)
            && text.starts_with(|c: char| c.is_ascii_uppercase())
        {
            return Ok(Self(text.to_owned()));
        }
        error("secret name", text, "upper-case letters, digits and `_`, starting with a letter, are expected")
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
text_conversions!(SecretName);

impl std::borrow::Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Where a secret may flow: `http:HOST[:PORT]`, `task:IMAGE`, or `task:toolbox` for tasks without an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Sink {
    /// Spliced into requests to this host.
    Http(HostPattern),
    /// Given to tasks with this image.
    Task(ImagePattern),
    /// Given to tasks that run with the executor's own toolbox.
    Toolbox,
}

impl FromStr for Sink {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.split_once(':') {
            Some(("http", host)) => Ok(Self::Http(host.parse()?)),
            Some(("task", "toolbox")) => Ok(Self::Toolbox),
            Some(("task", image)) => Ok(Self::Task(image.parse()?)),
            _ => error("sink", text, "`http:HOST`, `task:IMAGE` or `task:toolbox` is expected"),
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(host) => write!(f, "http:{host}"),
            Self::Task(image) => write!(f, "task:{image}"),
            Self::Toolbox => f.write_str("task:toolbox"),
        }
    }
}
text_conversions!(Sink);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories() {
        let all: RepositoryPattern = "build/*".parse().unwrap();
        let one: RepositoryPattern = "build/orderbook".parse().unwrap();
        assert!(all.matches("build/orderbook") && all.matches("build/a/b") && !all.matches("build/"));
        assert!(all.covers(&one) && !one.covers(&all) && one.covers(&one) && !all.matches("buildx/a"));
        for bad in ["", "*", "build", "/a", "a/", "A/b", "a/*/b", "a/b*", "a/../b"] {
            assert!(bad.parse::<RepositoryPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn images() {
        let tagged: ImagePattern = "docker.io/library/node:20".parse().unwrap();
        let repository: ImagePattern = "build/orderbook".parse().unwrap();
        assert!(tagged.matches("docker.io/library/node:20") && !tagged.matches("docker.io/library/node:21"));
        assert!(repository.matches("build/orderbook@sha256:00") && repository.matches("build/orderbook:1"));
        assert_eq!(repository_of("localhost:5000/a/b:1@sha256:00"), "localhost:5000/a/b");
        assert_eq!(repository_of("localhost:5000/a/b"), "localhost:5000/a/b");
        assert!("*".parse::<ImagePattern>().is_err());
    }

    #[test]
    fn hosts() {
        let host: HostPattern = "Hooks.Example.com".parse().unwrap();
        assert_eq!(host.to_string(), "hooks.example.com:443");
        assert!(host.matches("HOOKS.example.com.", 443) && !host.matches("hooks.example.com", 80));
        let below: HostPattern = "*.example.com:8443".parse().unwrap();
        assert!(below.matches("a.b.example.com", 8443) && !below.matches("example.com", 8443));
        assert!(!below.matches("evilexample.com", 8443));
        assert_eq!("[::1]:9090".parse::<HostPattern>().unwrap().to_string(), "[::1]:9090");
        for bad in ["", "*", "*.com", "a:0", "a:b", "a:", "http://a", "a/b", "a b", "[x]:1", "a@b", "-a"] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_give_their_host_and_nothing_is_hidden_in_them() {
        let of = |url| HostPattern::of_url(url).map(|host| host.to_string());
        assert_eq!(of("https://a.example/x?y").as_deref(), Some("a.example:443"));
        assert_eq!(of("http://a.example:81").as_deref(), Some("a.example:81"));
        for bad in ["ftp://a", "a.example", "https://good@evil.example", "https://*.example.com/", "https://"]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn sinks_and_secrets() {
        for good in ["http:hooks.example.com:443", "task:node@sha256:00", "task:toolbox"] {
            assert_eq!(good.parse::<Sink>().unwrap().to_string(), good);
        }
        assert!("file:/x".parse::<Sink>().is_err() && "npm".parse::<SecretName>().is_err());
        assert!("NPM_2".parse::<SecretName>().is_ok() && "2A".parse::<SecretName>().is_err());
    }
}
