//! What ECR says when it does not do what was asked.

use aws_sdk_ecr::error::{ProvideErrorMetadata, SdkError};
use stageway_ports::RegistryError;
use std::error::Error;

/// Of ECR's own words so much is told.
const MAX_TEXT: usize = 400;

const REPOSITORY_ABSENT: &str = "RepositoryNotFoundException";

/// One call of ECR's API.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The permission that the call needs, such as `ecr:PutImage`.
    pub(super) action: &'static str,
    /// What it is about, for people.
    pub(super) what: &'a str,
}

impl Asked<'_> {
    /// The error in the words of the port, with what to do about it.
    pub(super) fn failed<E>(self, error: SdkError<E>) -> RegistryError
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let Self { action, what } = self;
        let Some(said) = error.as_service_error() else {
            return RegistryError::Unavailable(format!(
                "{what}: {action} had no answer: {}",
                innermost(&error)
            ));
        };
        let code = said.code().unwrap_or("an error without a code");
        let words =
            format!("{what}: ECR answers {action} with {code} {}", short(said.message().unwrap_or_default()));
        match code {
            REPOSITORY_ABSENT => RegistryError::NotFound(format!(
                "{words}; create the repository with `aws ecr create-repository`, or give the connection `create: true` \
                 and its role `ecr:CreateRepository`"
            )),
            "ImageNotFoundException" | "ScanNotFoundException" => RegistryError::NotFound(words),
            "ImageDigestDoesNotMatchException" => RegistryError::Corrupt(words),
            "InvalidParameterException" | "UnsupportedImageTypeException" => RegistryError::Invalid(words),
            "AccessDeniedException" | "AccessDenied" => RegistryError::Refused(format!(
                "{words}; the connection's role needs `{action}`, by its own policy and, from another account, by the \
                 repository's"
            )),
            "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "IncompleteSignature"
            | "MissingAuthenticationTokenException" => RegistryError::Refused(format!(
                "{words}; look at the credentials of this machine and at its clock"
            )),
            _ => RegistryError::Unavailable(words),
        }
    }
}

/// Whether the repository itself is what is not there.
pub(super) fn lacks_repository<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some(REPOSITORY_ABSENT)
}

fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

/// The cause of all: the outer ones say only that something failed.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    short(&cause.to_string())
}
