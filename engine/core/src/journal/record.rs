use crate::call::{Answer, Failure, Function};
use crate::digest::Digest;
use crate::limits::AttemptLimits;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The format that this engine writes; it also reads the one before.
pub const FORMAT: u32 = 1;

/// One record of a journal. A call of a class with an intent has two: the intent, and the entry with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// The first.
    Header(Box<Header>),
    /// What is about to be done or waited for.
    Intent(Box<Intent>),
    /// What was answered.
    Entry(Box<Entry>),
    /// The last.
    End(Box<End>),
}

impl Record {
    /// The number of the entry this record belongs to.
    pub fn seq(&self) -> u32 {
        match self {
            Self::Header(_) => 0,
            Self::Intent(intent) => intent.seq,
            Self::Entry(entry) => entry.seq,
            Self::End(end) => end.seq,
        }
    }

    /// 0 for an intent, 1 for everything else: with the seq the key of a record within its attempt.
    pub fn part(&self) -> u8 {
        u8::from(!matches!(self, Self::Intent(_)))
    }
}

/// What the attempt started from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Header {
    /// [`FORMAT`] of the engine that wrote it.
    pub format: u32,
    /// The version of the contract.
    pub contract: String,
    /// The component, for the life of the attempt.
    pub component: Digest,
    /// The resolved `with` of the stage.
    pub configuration: Json,
    /// The start tree of the workspace.
    pub tree: Digest,
    /// Bounds; answers depend on them.
    pub limits: AttemptLimits,
    /// 32 bytes in hex that seed `invocation.random` and the guest's own randomness.
    pub seed: String,
    /// Milliseconds since 1970.
    pub at: u64,
}

/// A call whose effect may have been performed from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// From 1.
    pub seq: u32,
    /// Milliseconds since 1970.
    pub at: u64,
    /// The call.
    pub call: Function,
    /// Keyed: what was found before, from which the answer is computed in doubt. Wait: the deadline.
    pub state: Json,
}

/// A call and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1.
    pub seq: u32,
    /// Milliseconds since 1970 when it was answered: the guest's logical time from here on.
    pub at: u64,
    /// The call.
    pub call: Function,
    /// What the guest got.
    pub answer: Answer,
}

/// How the attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// One more than the last entry's.
    pub seq: u32,
    /// Milliseconds since 1970.
    pub at: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// The facts that were asked, each once.
    pub facts: Vec<Fact>,
}

/// A fact that was asked: a later attempt equals this one only where the answer is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// The question.
    pub call: Function,
    /// The answer.
    pub answer: Answer,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The object of outputs.
    Ok(Json),
    /// The user's work said no.
    Failed(Failure),
    /// It could not be told.
    Errored(Failure),
    /// The guest broke off.
    Trap(String),
    /// It used up a limit.
    Limit(String),
    /// It was cancelled.
    Cancelled,
}
