use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// What was released where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Environments {
    /// Answers `Jsons`, newest first.
    Releases { environment: String, max: u32 },
    /// Answers `Text`: the release's id.
    Release { environment: String, what: Json },
    /// Answers `Done`.
    Judge { environment: String, release: String, verdict: Judgement, reason: String },
}

/// What is thought of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// A rollback may return to it.
    Good,
    /// A rollback must not.
    Bad,
    /// It could not be told.
    Unknown,
    /// A word that is none of these; refused by `judge`.
    Invalid(String),
}

impl Environments {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Releases { .. } => "releases",
            Self::Release { .. } => "release",
            Self::Judge { .. } => "judge",
        }
    }

    /// The environment that the call reads or changes.
    pub fn environment(&self) -> &str {
        match self {
            Self::Releases { environment, .. }
            | Self::Release { environment, .. }
            | Self::Judge { environment, .. } => environment,
        }
    }
}
