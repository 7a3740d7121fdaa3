use crate::bindings::stageway::host::types;
use crate::guest::{Broken, Guest};
use stageway_core::call::{Failure, HostError};
use stageway_core::journal::canonical;

/// Why an import does not answer its value.
#[derive(Debug)]
pub enum Refusal {
    /// The guest gets to see it.
    Answer(HostError),
    /// The instance ends.
    Broken(wasmtime::Error),
}

impl From<HostError> for Refusal {
    fn from(error: HostError) -> Self {
        Self::Answer(error)
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Self {
        Self::Broken(wasmtime::Error::new(broken))
    }
}

impl types::Host for Guest {
    fn convert_host_error(&mut self, refusal: Refusal) -> wasmtime::Result<types::HostError> {
        match refusal {
            Refusal::Answer(error) => Ok(error.into()),
            Refusal::Broken(error) => Err(error),
        }
    }
}

impl From<HostError> for types::HostError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::Denied(text) => Self::Denied(text),
            HostError::NotFound(text) => Self::NotFound(text),
            HostError::Conflict(text) => Self::Conflict(text),
            HostError::InvalidArgument(text) => Self::InvalidArgument(text),
            HostError::LimitExceeded(text) => Self::LimitExceeded(text),
            HostError::TimedOut => Self::TimedOut,
            HostError::Cancelled => Self::Cancelled,
            HostError::Unavailable(text) => Self::Unavailable(text),
            HostError::InDoubt(text) => Self::InDoubt(text),
            HostError::Other(failure) => Self::Other(failure.into()),
        }
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let Failure { code, message, details } = failure;
        Self { code, message, details: details.as_ref().map(canonical) }
    }
}

impl From<types::Failure> for Failure {
    /// Details that are no JSON are kept as a text.
    fn from(failure: types::Failure) -> Self {
        let types::Failure { code, message, details } = failure;
        let details =
            details.map(|text| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text)));
        Self { code, message, details }
    }
}
