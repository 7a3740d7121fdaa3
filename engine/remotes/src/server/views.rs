//! Answers of the API as far as they are read here.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;
use stageway_core::diagnostic::Diagnostic;
use stageway_core::digest::Digest;
use stageway_core::name::{PipelineName, RepositoryId, RunId, StageName, TenantId};
use stageway_core::operator::Scope;
use stageway_core::run::{RunEvent, RunStatus};
use stageway_ports::{Approval, ApprovalAnswer, RunSummary};
use std::collections::BTreeSet;

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
    /// What was wrong with the pipeline files.
    #[serde(default, deserialize_with = "known", skip_serializing)]
    pub problems: Vec<Diagnostic>,
}

/// A repository as the operator registered it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RemoteRepository {
    /// What the operator calls it.
    pub id: RepositoryId,
    /// Where it is cloned from, without a login; none of an older server.
    #[serde(default)]
    pub clone: String,
    /// What new branches are compared with.
    pub default_branch: String,
}

/// What of a tree a server has already, and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RemoteKnown {
    /// The run whose files they are.
    #[serde(default)]
    pub run: Option<RunId>,
    /// The files.
    pub files: BTreeSet<Digest>,
    /// How much is taken.
    pub limits: RemoteTreeLimits,
}

/// How much of a tree a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RemoteTreeLimits {
    /// Files, links and empty folders.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Bytes of a file that is sent.
    pub file_bytes: u64,
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
    /// Those of a newer engine, whose codes are not known here, are told by `detail` alone.
    #[serde(default, deserialize_with = "known")]
    pub(super) problems: Vec<Diagnostic>,
}

fn known<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Diagnostic>, D::Error> {
    let problems = Vec::<Json>::deserialize(deserializer)?;
    Ok(problems.into_iter().filter_map(|problem| serde_json::from_value(problem).ok()).collect())
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
    #[serde(default)]
    pub(super) waits: Option<String>,
}

impl From<Run> for RunSummary {
    fn from(Run { id, number, pipeline, status, created_at, ended_at, waits }: Run) -> Self {
        Self { id, number, pipeline, status, created_at, ended_at, waits, held_until: None }
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
        let answer = answer.map(ApprovalAnswer::from);
        Self { stage, attempt, seq, question, options, asked_at, deadline, answer }
    }
}
