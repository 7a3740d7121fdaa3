use serde::{Deserialize, Serialize};

/// What this attempt is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Invocation {
    /// Answers `Text`.
    RunId,
    /// Answers `Text`.
    StageName,
    /// Answers `Count`.
    Attempt,
    /// Answers `Text`.
    Key,
    /// Answers `Json`.
    Event,
    /// Answers `MaybeJson`.
    Parameter { name: String },
    /// Answers `MaybeJson`.
    UpstreamOutput { stage: String, name: String },
    /// Answers `MaybeNumber`.
    Limit { name: String },
    /// Answers `Bytes`.
    Random { count: u32 },
    /// Answers `Flag`.
    IsCancelled,
}

/// Logical time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Clock {
    /// Answers `Number`: milliseconds since 1970 at the latest entry.
    NowMs,
    /// Answers `Done`.
    Sleep { milliseconds: u32 },
}
