//! Values on their way into columns and out of them.

use super::{Failure, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;

/// SQLite's integers have a sign; no count or time comes near the end of them.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| unreadable("a value", &error))
}

pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| unreadable(what, &error))
}

/// A name or digest out of a column.
pub(super) fn name<T>(what: &'static str, text: String) -> Result<T>
where
    T: TryFrom<String>,
    T::Error: Display,
{
    T::try_from(text).map_err(|error| unreadable(what, &error))
}

/// An enumeration whose JSON is a plain word, such as a status.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

pub(super) fn from_word<T: DeserializeOwned>(what: &'static str, text: String) -> Result<T> {
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| unreadable(what, &error))
}

pub(super) fn unreadable(what: &'static str, reason: &dyn Display) -> Failure {
    Failure::Unreadable { what, reason: reason.to_string() }
}
