//! Values on their way into columns and out of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use thiserror::Error;

/// What lies there is not what was written.
#[derive(Debug, Error)]
#[error("{what} cannot be read: {reason}")]
pub(crate) struct Unreadable {
    what: &'static str,
    reason: String,
}

impl Unreadable {
    pub(crate) fn new(what: &'static str, reason: &dyn Display) -> Self {
        Self { what, reason: reason.to_string() }
    }
}

type Result<T> = std::result::Result<T, Unreadable>;

/// The integers of a database have a sign; no count or time comes near the end of them.
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Unreadable::new("a value", &error))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Unreadable::new(what, &error))
}

/// A name or digest out of a column.
pub(crate) fn name<T>(what: &'static str, text: String) -> Result<T>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    T::try_from(text).map_err(|error| Unreadable::new(what, &error))
}

/// An enumeration whose JSON is a plain word, such as a status.
pub(crate) fn word<T: Serialize>(value: &T) -> Result<String> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

pub(crate) fn from_word<T: DeserializeOwned>(what: &'static str, text: String) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| Unreadable::new(what, &error))
}
