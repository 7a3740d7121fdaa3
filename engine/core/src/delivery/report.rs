use serde::{Deserialize, Serialize};

/// How a run, or a stage of it, stands, as it is told to a forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportState {
    /// It has not begun.
    Pending,
    /// It is going on.
    Running,
    /// It is good.
    Succeeded,
    /// The user's work said no.
    Failed,
    /// It could not be told.
    Errored,
    /// Somebody ended it.
    Cancelled,
    /// It was not needed; counts as success, or a check that a forge requires never passes.
    Skipped,
}

impl ReportState {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Errored,
        Self::Cancelled,
        Self::Skipped,
    ];
}

/// A commit status. Telling the same one twice is the same as once; the newest of a context counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReport {
    /// What it is about, such as `stageway/orderbook`: one row at the forge. The same for all reports of one pipeline.
    pub context: String,
    /// How it stands.
    pub state: ReportState,
    /// One line for people; an adapter cuts it to what its forge takes.
    pub description: String,
    /// The page of the run, an absolute URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}
