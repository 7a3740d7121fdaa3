//! The imports of a guest: one file per interface of the contract.
//!
//! Each function makes one [`Call`](stageway_core::call::Call) through [`Guest::ask`](crate::guest::Guest::ask), or changes a
//! builder. Nothing here checks a grant's parameters: that is for whoever answers the call.

#![allow(unreachable_pub, reason = "the generated bindings re-export the types of handles")]

mod approvals;
mod artifacts;
mod clock;
mod cluster;
pub(crate) mod command;
mod environments;
pub(crate) mod handles;
pub(crate) mod http;
mod images;
mod invocation;
mod log;
mod refusal;
mod reports;
mod secrets;
mod shape;
mod source;
pub(crate) mod tasks;
mod workspace;

pub(crate) use refusal::Refusal;
pub(crate) use shape::{JsonText, Shape};

use stageway_core::call::HostError;

/// Reads a parameter that is JSON text.
///
/// # Errors
/// [`HostError::InvalidArgument`] with the parameter's name and the place.
fn json(name: &str, text: &str) -> Result<serde_json::Value, HostError> {
    serde_json::from_str(text)
        .map_err(|error| HostError::InvalidArgument(format!("`{name}` is not JSON: {error}")))
}
