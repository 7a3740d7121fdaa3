//! How things that did not work are told: by code, message and blame.

use std::fmt::Display;

use serde::Serialize;

use crate::{Failure, HostError, Issue, Verdict};

impl Verdict {
    /// The user's work said no; running it again gives the same. `code` is `<namespace>/<kebab-case>`.
    pub fn failed(code: &str, message: impl Into<String>) -> Self {
        Self::Failed(Failure { code: code.to_owned(), message: message.into(), details: None })
    }

    /// It could not be told; running it again may help. `code` is `<namespace>/<kebab-case>`.
    pub fn errored(code: &str, message: impl Into<String>) -> Self {
        Self::Errored(Failure { code: code.to_owned(), message: message.into(), details: None })
    }

    /// The same verdict with details, which must serialise to a JSON object; what does not is left out.
    #[must_use]
    pub fn with_details(mut self, details: &impl Serialize) -> Self {
        let (Self::Failed(failure) | Self::Errored(failure)) = &mut self;
        failure.details = serde_json::to_string(details).ok().filter(|json| json.starts_with('{'));
        self
    }

    /// Why.
    pub fn failure(&self) -> &Failure {
        let (Self::Failed(failure) | Self::Errored(failure)) = self;
        failure
    }
}

impl From<HostError> for Verdict {
    /// By default a call that the host refused or could not do says nothing about the user's work: `Errored`.
    fn from(error: HostError) -> Self {
        Self::Errored(error.into_failure())
    }
}

impl HostError {
    /// The code under which this error is reported: `stageway/<case>`, or the failure's own.
    pub fn code(&self) -> &str {
        match self {
            Self::Denied(_) => "stageway/denied",
            Self::NotFound(_) => "stageway/not-found",
            Self::Conflict(_) => "stageway/conflict",
            Self::InvalidArgument(_) => "stageway/invalid-argument",
            Self::LimitExceeded(_) => "stageway/limit-exceeded",
            Self::TimedOut => "stageway/timed-out",
            Self::Cancelled => "stageway/cancelled",
            Self::Unavailable(_) => "stageway/unavailable",
            Self::InDoubt(_) => "stageway/in-doubt",
            Self::Other(failure) => &failure.code,
        }
    }

    /// What happened, as the host told it.
    pub fn message(&self) -> &str {
        match self {
            Self::Denied(text)
            | Self::NotFound(text)
            | Self::Conflict(text)
            | Self::InvalidArgument(text)
            | Self::LimitExceeded(text)
            | Self::Unavailable(text)
            | Self::InDoubt(text) => text,
            Self::TimedOut => "the time was up",
            Self::Cancelled => "the stage was cancelled",
            Self::Other(failure) => &failure.message,
        }
    }

    /// The same as a failure with code and message.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Other(failure) => failure,
            other => {
                Failure { code: other.code().to_owned(), message: other.message().to_owned(), details: None }
            }
        }
    }
}

impl Issue {
    /// One problem of the configuration; `pointer` is a JSON pointer (RFC 6901), empty for the whole.
    pub fn at(pointer: &str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), message: message.into() }
    }
}

/// Says what was being done when a host call failed.
pub trait Doing<T> {
    /// Turns the error into an errored [`Verdict`] whose message starts with `what`: "pushing the image: ...".
    ///
    /// # Errors
    /// The error that was there.
    fn doing(self, what: impl Display) -> Result<T, Verdict>;
}

impl<T> Doing<T> for Result<T, HostError> {
    fn doing(self, what: impl Display) -> Result<T, Verdict> {
        self.map_err(|error| {
            let mut failure = error.into_failure();
            failure.message = format!("{what}: {}", failure.message);
            Verdict::Errored(failure)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_error_is_errored_under_its_own_code() {
        let verdict = Verdict::from(HostError::Conflict("tag 1 names another digest".to_owned()));
        assert!(
            matches!(&verdict, Verdict::Errored(f) if f.code == "stageway/conflict" && f.message.contains("tag 1"))
        );
        let own = Failure {
            code: "acme/full".to_owned(),
            message: "no room".to_owned(),
            details: Some("{}".to_owned()),
        };
        assert_eq!(Verdict::from(HostError::Other(own)).failure().code, "acme/full");
    }

    #[test]
    fn doing_says_what_was_being_done() {
        let result: Result<(), HostError> = Err(HostError::TimedOut);
        let verdict = result.doing("pushing the image").unwrap_err();
        assert_eq!(verdict.failure().message, "pushing the image: the time was up");
        assert_eq!(verdict.failure().code, "stageway/timed-out");
    }

    #[test]
    fn details_are_an_object_or_nothing() {
        let verdict = Verdict::failed("acme/x", "x").with_details(&[1, 2]);
        assert_eq!(verdict.failure().details, None);
        let verdict = verdict.with_details(&std::collections::BTreeMap::from([("count", 2)]));
        assert_eq!(verdict.failure().details.as_deref(), Some(r#"{"count":2}"#));
    }
}
