//! Answers of the API as far as they are read here.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_core::operator::Scope;
use stageway_core::run::{RunEvent, RunStatus};
use stageway_ports::{Approval, ApprovalAnswer, RunSummary};

/// Whose a token is, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteToken {
    /// What the operator calls it.
    pub name: String,
    /// Whose things it is about.
    pub tenant: TenantId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// It is nothing from then on, in milliseconds since 1970.
    #[serde(default)]
    pub expires: Option<u64>,
}

/// Something that stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFreeze {
    /// The environment; none is the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Why; may be empty.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// A delivery as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteDelivery {
    /// The server's own id.
    pub id: String,
    /// In order of arrival.
    pub number: u64,
    /// Where it came.
    pub webhook: String,
    /// The forge's own id.
    pub key: String,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// What it tells of.
    pub event: String,
    /// The repository that it is about.
    #[serde(default)]
    pub repository: Option<String>,
    /// Why it is tried again.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What became of it.
    #[serde(default)]
    pub outcome: Option<RemoteOutcome>,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteOutcome {
    /// In one sentence.
    pub summary: String,
    /// Runs of it.
    pub runs: Vec<String>,
}

/// Problem details.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) code: String,
    pub(super) title: String,
    #[serde(default)]
    pub(super) detail: Option<String>,
    #[serde(default)]
    pub(super) remedy: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) number: u64,
    pub(super) pipeline: PipelineName,
    pub(super) status: RunStatus,
    pub(super) created_at: u64,
    #[serde(default)]
    pub(super) ended_at: Option<u64>,
}

impl From<Run> for RunSummary {
    fn from(Run { id, number, pipeline, status, created_at, ended_at }: Run) -> Self {
        Self { id, number, pipeline, status, created_at, ended_at }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Events {
    pub(super) version: u64,
    pub(super) events: Vec<RunEvent>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Changes {
    pub(super) changes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Question {
    stage: StageName,
    attempt: u32,
    seq: u32,
    question: String,
    options: Json,
    asked_at: u64,
    #[serde(default)]
    deadline: Option<u64>,
    #[serde(default)]
    answer: Option<Answered>,
}

#[derive(Debug, Deserialize)]
struct Answered {
    approved: bool,
    by: String,
    reason: String,
    at: u64,
    #[serde(default)]
    digest: Option<Digest>,
}

impl From<Answered> for ApprovalAnswer {
    fn from(Answered { approved, by, reason, at, digest }: Answered) -> Self {
        Self { approved, by, reason, at, to: digest }
    }
}

impl From<Question> for Approval {
    fn from(asked: Question) -> Self {
        let Question { stage, attempt, seq, question, options, asked_at, deadline, answer } = asked;
        Self { stage, attempt, seq, question, options, asked_at, deadline, answer }
    }
}
        let answer = answer.map(ApprovalAnswer::from);
