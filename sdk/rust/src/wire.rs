//! JSON between the typed functions of this crate and the texts of the contract.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Failure, HostError};

/// Reads an answer of the host.
pub(crate) fn parse<T: DeserializeOwned>(function: &str, json: &str) -> Result<T, HostError> {
    serde_json::from_str(json).map_err(|error| {
        HostError::Other(Failure {
            code: "stageway/unexpected-answer".to_owned(),
            message: format!("the answer of {function} is not readable: {error}"),
            details: None,
        })
    })
}

/// Reads a list of answers of the host.
pub(crate) fn parse_all<T: DeserializeOwned>(function: &str, json: &[String]) -> Result<Vec<T>, HostError> {
    json.iter().map(|one| parse(function, one)).collect()
}

/// Writes an argument for the host.
pub(crate) fn write<T: Serialize + ?Sized>(argument: &str, value: &T) -> Result<String, HostError> {
    serde_json::to_string(value)
        .map_err(|error| HostError::InvalidArgument(format!("{argument} is not writable as JSON: {error}")))
}
