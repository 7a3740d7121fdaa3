//! What a registry says when it does not do what was asked.

use reqwest::{Response, StatusCode};
use serde::Deserialize;
use stageway_ports::RegistryError;
use std::error::Error;

/// Of an error's body so much is read, and of its text so much is told.
const MAX_BODY: usize = 64 << 10;
const MAX_TEXT: usize = 400;

#[derive(Deserialize, Default)]
struct Body {
    #[serde(default)]
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// A refusal with the registry's own words.
pub(super) struct Failure {
    status: StatusCode,
    /// Codes of the distribution specification, such as `MANIFEST_BLOB_UNKNOWN`.
    codes: Vec<String>,
    text: String,
}

impl Failure {
    /// Takes what a response says.
    pub(super) async fn of(response: Response, what: &str) -> Self {
        let status = response.status();
        let body = bounded(response, MAX_BODY).await.unwrap_or_default();
        let said: Body = serde_json::from_slice(&body).unwrap_or_default();
        let words: Vec<_> = said.errors.iter().map(|e| format!("{} {}", e.code, e.message)).collect();
        let words = match words.is_empty() {
            true => status.canonical_reason().unwrap_or_default().to_owned(),
            false => words.join("; "),
        };
        let words: String = words.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
        let codes = said.errors.into_iter().map(|error| error.code).collect();
        Self { status, codes, text: format!("{what}: the registry answers {} {words}", status.as_u16()) }
    }

    pub(super) fn is_absent(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// The manifest names what is not there.
    pub(super) fn is_incomplete(&self) -> bool {
        let codes = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }

    fn said(&self, codes: &[&str]) -> bool {
        self.codes.iter().any(|code| codes.contains(&code.as_str()))
    }
}

impl From<Failure> for RegistryError {
    fn from(failure: Failure) -> Self {
        let refused = failure.said(&["DENIED", "UNAUTHORIZED"]);
        let corrupt = failure.said(&["DIGEST_INVALID", "SIZE_INVALID", "MANIFEST_UNVERIFIED"]);
        let invalid = failure.said(&["NAME_INVALID", "TAG_INVALID", "MANIFEST_INVALID", "UNSUPPORTED"]);
        match failure.status.as_u16() {
            401 | 403 => Self::Refused(failure.text),
            404 => Self::NotFound(failure.text),
            400..500 if refused => Self::Refused(failure.text),
            400..500 if corrupt => Self::Corrupt(failure.text),
            400..500 if invalid => Self::Invalid(failure.text),
            _ => Self::Unavailable(failure.text),
        }
    }
}

/// A connection that failed. The innermost cause, because the outer ones repeat the address with its query.
pub(super) fn broken(what: &str, error: &reqwest::Error) -> RegistryError {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let kind = if error.is_timeout() { "no answer in time: " } else { "" };
    let cause = if cause.source().is_none() && std::ptr::addr_eq(cause, error) {
        "the request failed".to_owned()
    } else {
        cause.to_string()
    };
    RegistryError::Unavailable(format!("{what}: {kind}{cause}"))
}

/// The registry is not believed to be who it says, or speaks no TLS: trying again does not change that.
pub(super) fn is_distrust(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = cause {
        let wrapped = inner.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if wrapped.is_some_and(|wrapped| wrapped.is::<rustls::Error>()) || inner.is::<rustls::Error>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Why a body was not taken whole.
pub(super) enum Unread {
    /// It has more bytes than are read.
    TooLarge,
    /// The connection broke.
    Broken(reqwest::Error),
}

/// A body of at most `max` bytes.
pub(super) async fn bounded(mut response: Response, max: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if body.len() + chunk.len() > max {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
