//! Asking a person. Grant `approvals`.

use serde::{Deserialize, Serialize};

use crate::bindings::stageway::host::approvals as raw;
use crate::{HostError, Span, wire};

/// Who may answer, and for how long.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Options {
    /// People or teams, as the operator names them; empty: those of the environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Afterwards the answer is `TimedOut`.
    #[serde(rename = "within-ms", skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Approval {
    /// Yes or no.
    pub approved: bool,
    /// Who answered.
    pub by: String,
    /// What they wrote with it.
    #[serde(default)]
    pub reason: String,
    /// When, as the host writes it.
    pub at: serde_json::Value,
}

/// Parks the stage until somebody who may has answered.
///
/// # Errors
/// `TimedOut`, `Cancelled`, `Denied`.
pub fn ask(question: &str, options: &Options) -> Result<Approval, HostError> {
    wire::parse("approvals.ask", &raw::ask(question, &wire::write("options", options)?)?)
}
