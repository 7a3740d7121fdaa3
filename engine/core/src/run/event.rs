use crate::call::Failure;
use crate::digest::Digest;
use crate::name::{RunId, StageName};
use crate::task::Collected;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// What happened in a run, in order. `at` is milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum RunEvent {
    /// The first: the plan is frozen.
    Created {
        /// When.
        at: u64,
        /// Digest of the plan.
        plan: Digest,
        /// The tree of the revision, whole; it lies in the blobs.
        tree: Digest,
    },
    /// The stage asks a person before it starts, or waits for the lock of its environment.
    StageWaiting {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// What for, in words.
        why: String,
    },
    /// An attempt of a stage was given a place.
    AttemptStarted {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// From 1.
        attempt: u32,
    },
    /// The attempt waits for something that takes long and has left memory.
    AttemptParked {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// From 1.
        attempt: u32,
        /// What it waits for, in words.
        why: String,
    },
    /// The attempt is in memory again.
    AttemptResumed {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// From 1.
        attempt: u32,
        /// Whether a fault of ours or a killed engine made it necessary: counts towards the cap unless there are new
        /// entries since the last.
        counts: bool,
        /// Entries of its journal.
        entries: u32,
    },
    /// The attempt is over.
    AttemptEnded {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// From 1.
        attempt: u32,
        /// How.
        ending: AttemptEnding,
        /// What it used.
        usage: Usage,
    },
    /// The stage gets another attempt.
    RetryScheduled {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// The next attempt.
        attempt: u32,
        /// Not before.
        due: u64,
    },
    /// The stage is not run.
    StageSkipped {
        /// When.
        at: u64,
        /// Which.
        stage: StageName,
        /// Why.
        reason: SkipReason,
    },
    /// Somebody wants the run to end.
    CancelRequested {
        /// When.
        at: u64,
        /// Who.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// The last.
    Ended {
        /// When.
        at: u64,
        /// How.
        status: RunStatus,
    },
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptEnding {
    /// The work was done.
    Succeeded {
        /// By name.
        outputs: Map<String, Json>,
        /// By name.
        artifacts: BTreeMap<String, Collected>,
    },
    /// The user's work said no.
    Failed(Failure),
    /// It could not be told.
    Errored(Failure),
    /// It was cancelled.
    Cancelled,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Usage {
    /// In the guest's own code, in milliseconds, replay included.
    pub cpu_ms: u64,
    /// Linear memory at most, in bytes.
    pub memory_bytes: u64,
    /// Calls of every class, replay included.
    pub calls: u64,
}

/// Why a stage was not run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Its complete inputs are those of an earlier attempt; counts as success.
    Unchanged(Box<Proof>),
    /// Its `when` is false.
    Condition(String),
    /// A stage that it needs did not succeed.
    Upstream(StageName),
    /// A newer run holds the environment or was there already.
    Outdated(RunId),
}

/// Why the answer of a stage is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// The digest over everything that was compared.
    pub key: Digest,
    /// The run whose attempt it equals.
    pub run: RunId,
    /// That attempt.
    pub attempt: u32,
    /// What was compared, in words, each with its digest or value.
    pub compared: BTreeMap<String, String>,
    /// Facts and reads that were asked again and answered the same.
    pub asked_again: u32,
    /// Its outputs.
    pub outputs: Map<String, Json>,
    /// Its artifacts.
    pub artifacts: BTreeMap<String, Collected>,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Not begun.
    Queued,
    /// At least one stage runs.
    Running,
    /// Every stage that could run is parked.
    Waiting,
    /// Everything that had to succeed did.
    Succeeded,
    /// The user's work said no.
    Failed,
    /// It could not be told.
    Errored,
    /// It was cancelled.
    Cancelled,
    /// Nothing of it was run.
    Skipped,
}

impl RunStatus {
    /// The word for people and tools.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Errored => "errored",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing more can happen.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Waiting)
    }
}

impl RunEvent {
    /// The stage that the event is about.
    pub fn stage(&self) -> Option<&StageName> {
        match self {
            Self::AttemptStarted { stage, .. }
            | Self::StageWaiting { stage, .. }
            | Self::AttemptParked { stage, .. }
            | Self::AttemptResumed { stage, .. }
            | Self::AttemptEnded { stage, .. }
            | Self::RetryScheduled { stage, .. }
            | Self::StageSkipped { stage, .. } => Some(stage),
            Self::Created { .. } | Self::CancelRequested { .. } | Self::Ended { .. } => None,
        }
    }

    /// When it happened, in milliseconds since 1970.
    pub fn at(&self) -> u64 {
        match self {
            Self::Created { at, .. }
            | Self::StageWaiting { at, .. }
            | Self::AttemptStarted { at, .. }
            | Self::AttemptParked { at, .. }
            | Self::AttemptResumed { at, .. }
            | Self::AttemptEnded { at, .. }
            | Self::RetryScheduled { at, .. }
            | Self::StageSkipped { at, .. }
            | Self::CancelRequested { at, .. }
            | Self::Ended { at, .. } => *at,
        }
    }
}
