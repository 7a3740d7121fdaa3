//! The definition as data.

use super::matrix::Matrix;
use super::parameters::Parameter;
use crate::document::Places;
use crate::grant::{Grants, SecretName};
use crate::name::{EnvironmentName, PipelineName, StageName};
use crate::plan::{Approval, Artifact, Retry, Service, WhenNewer, WorkspaceOptions};
use crate::plugin::PluginRef;
use crate::trigger::Triggers;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// A pipeline has at most this many stages, each cell of a matrix counted.
pub const MAX_STAGES: usize = 1_000;
/// Milliseconds.
pub(crate) const DAY: u64 = 86_400_000;

/// The keys of `limits`: those of an attempt, and those of each of its tasks, with the largest value of each.
pub(crate) const LIMIT_KEYS: [(&str, u64); 14] = [
    ("memory-bytes", 512 << 20),
    ("cpu-ms", 3_600_000),
    ("log-bytes", 64 << 20),
    ("task-output-bytes", 16 << 30),
    ("journal-entries", 20_000),
    ("journal-bytes", 32 << 20),
    ("host-calls", 1_000_000),
    ("workspace-bytes", 64 << 30),
    ("workspace-files", 5_000_000),
    ("tasks", 10_000),
    ("outputs", 64),
    ("task-memory-bytes", 1 << 40),
    ("task-cpu-millis", 1_024_000),
    ("task-processes", 65_536),
];

/// One pipeline file, understood.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Definition {
    /// The file's path below the root of the tree.
    pub file: String,
    /// Its name.
    pub pipeline: PipelineName,
    /// Which events select it.
    pub on: Triggers,
    /// Which other runs it minds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyDef>,
    /// What a person gives.
    pub parameters: BTreeMap<String, Parameter>,
    /// Constants for expressions.
    pub vars: BTreeMap<String, Json>,
    /// Variables of every task.
    pub env: BTreeMap<String, String>,
    /// From start to end, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// When stages are tried again that do not say it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// In the order of the file.
    pub stages: IndexMap<StageName, StageDef>,
    /// Where everything stands.
    #[serde(skip)]
    pub places: Places,
}

/// `concurrency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ConcurrencyDef {
    /// May hold `${{ }}`.
    pub group: String,
    /// What a newer run means.
    pub when_newer: WhenNewer,
}

/// Who must agree before a stage starts, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApprovalDef {
    /// An expression that says whether anybody is asked; it is decided with the plan. None: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// What is asked then.
    #[serde(flatten)]
    pub approval: Approval,
}

/// One stage of the file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageDef {
    /// Its plugin.
    pub uses: PluginRef,
    /// Stages that end before it starts.
    pub needs: BTreeSet<StageName>,
    /// It is a stage of its own for each of these cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Matrix>,
    /// A bare expression; none is `success()`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The configuration; texts may hold `${{ }}`.
    pub with: Json,
    /// Patterns that narrow the workspace; none is the whole tree, an empty list nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Artifacts laid into the workspace, by path.
    pub from: BTreeMap<String, Artifact>,
    /// How the tree is checked out.
    pub workspace: WorkspaceOptions,
    /// Name to path.
    pub artifacts: BTreeMap<String, String>,
    /// Beside each of its tasks.
    pub services: IndexMap<String, Service>,
    /// Name to path; none is where caches of this name are by custom.
    pub caches: BTreeMap<String, Option<String>>,
    /// Variables of its tasks that hold a secret.
    pub secrets: BTreeMap<String, SecretName>,
    /// Variables of its tasks; values may hold `${{ }}`.
    pub env: BTreeMap<String, String>,
    /// Whose lock it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Who must agree before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalDef>,
    /// What the file gives. Secrets have no sinks here: those stand in the policy.
    pub grants: Grants,
    /// The file says `tasks: { network: false }`, which wins over what the manifest asks for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub network_refused: bool,
    /// Bounds by name.
    pub limits: Limits,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Of an attempt, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// A newer run does not cancel it once it has started.
    pub uninterruptible: bool,
    /// It runs last, whatever the outcome.
    pub finally: bool,
    /// It runs only if one of these paths has changed; empty asks nothing.
    pub paths: Vec<String>,
}

/// Bounds of an attempt and its tasks, by the keys of `limits`.
pub type Limits = BTreeMap<String, u64>;
