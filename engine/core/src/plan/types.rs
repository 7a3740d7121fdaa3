//! The plan as data. It reads what it writes, and its digest is that of its canonical JSON.

use super::cells::Cell;
use crate::digest::Digest;
use crate::event::{Event, Trust};
use crate::grant::{Ceiling, Grants, Interface, SecretName};
use crate::limits::AttemptLimits;
use crate::manifest::{Manifest, Skip, Wanted};
use crate::name::{EnvironmentName, PipelineName, StageName};
use crate::plugin::{PluginName, PluginRef};
use crate::policy::{ApprovalRule, CacheRule, Connections};
use crate::task::{Ready, TaskLimits};
use indexmap::IndexMap;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// A plugin that was found for a reference: what the planner must know of the binary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// Of the component's bytes.
    pub digest: Digest,
    /// Out of its custom section.
    pub manifest: Manifest,
    /// Its imports with their versions, such as `stageway:host/tasks@0.1.0`.
    pub imports: BTreeSet<String>,
}

/// A plugin that was not found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Absent {
    /// The folders or files that were looked into, for people.
    pub looked_in: Vec<String>,
    /// What is there instead, nearest first: other versions, or names that are alike.
    pub nearest: Vec<String>,
}

/// One run, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    /// Whose.
    pub pipeline: PipelineName,
    /// The pipeline file's path below the root of the tree.
    pub file: String,
    /// What started it.
    pub event: Event,
    /// Constants for expressions.
    pub vars: BTreeMap<String, Json>,
    /// Given by hand or their defaults.
    pub parameters: BTreeMap<String, Json>,
    /// Which other runs it minds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// From start to end, waiting included, in milliseconds.
    pub timeout_ms: u64,
    /// Somebody must agree before it starts, because the policy says so for this trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
    /// What the connections of the file mean.
    pub connections: Connections,
    /// The most that any of its stages may be granted: late grants are cut down to it too.
    pub ceiling: Ceiling,
    /// In an order in which every stage comes after those it needs; `finally` ones last. In JSON a list of pairs, because
    /// the order of an object's members is nobody's promise.
    #[serde(with = "indexmap::map::serde_seq")]
    pub stages: IndexMap<StageName, PlannedStage>,
    /// By the names of the file: the stages that the cells of a matrix are, by their keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub matrices: BTreeMap<StageName, BTreeMap<String, StageName>>,
}

impl Plan {
    /// How far the cause of the run is believed.
    pub fn trust(&self) -> Trust {
        self.event.trust
    }

    /// Of its canonical JSON.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }
}

/// Which other runs a run minds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Concurrency {
    /// Runs of the pipeline with the same text mind each other.
    pub group: String,
    /// What a newer run means for this one.
    pub when_newer: WhenNewer,
}

/// What a newer run means for an older one of its group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenNewer {
    /// The newer waits for the older.
    #[default]
    Wait,
    /// The older is cancelled unless it has started.
    CancelQueued,
    /// The older is cancelled, its uninterruptible stages excepted.
    CancelRunning,
}

/// The plugin of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPlugin {
    /// `NAMESPACE/NAME`.
    pub name: PluginName,
    /// The one that was found.
    pub version: Version,
    /// Of the component's bytes.
    pub digest: Digest,
}

/// The condition of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Condition {
    /// CEL; `success()` when the file says nothing.
    pub source: String,
    /// Its value, if event, variables and parameters alone decide it.
    pub decided: Option<bool>,
    /// It asks `success()`, `failure()` or `always()`. If not, `success()` is asked beside it.
    pub asks_status: bool,
    /// The stages it mentions: their being skipped by condition does not skip this one.
    pub mentions: BTreeSet<StageName>,
}

/// One stage, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedStage {
    /// What the file says.
    pub uses: PluginRef,
    /// What was found.
    pub plugin: PlannedPlugin,
    /// Which cell of a matrix it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Cell>,
    /// Stages that end before this one starts: of a matrix all cells.
    pub needs: BTreeSet<StageName>,
    /// Whether it runs.
    pub when: Condition,
    /// The configuration; texts may hold `${{ }}`.
    pub with: Json,
    /// JSON Schema of the configuration: it is checked again when all of it is known.
    pub configuration: Json,
    /// Patterns that narrow the workspace; none is the whole tree, an empty list nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// Artifacts laid into the workspace, by path.
    pub from: BTreeMap<String, Artifact>,
    /// How the tree is checked out.
    pub workspace: WorkspaceOptions,
    /// Collected from every task that mounts the workspace writable, and saved when the attempt succeeds: name to path.
    pub artifacts: BTreeMap<String, String>,
    /// Beside each of its tasks, started in this order; in JSON a list of pairs.
    #[serde(with = "indexmap::map::serde_seq")]
    pub services: IndexMap<String, Service>,
    /// In each of its tasks.
    pub caches: BTreeMap<String, Cache>,
    /// Variables of each of its tasks; values may hold `${{ }}`.
    pub env: BTreeMap<String, String>,
    /// Variables of each of its tasks that hold a secret.
    pub secrets: BTreeMap<String, SecretName>,
    /// Whose lock it holds while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Who must agree before it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What it may do.
    pub grants: Grants,
    /// Interfaces that it imports, calls optional and was not granted: linked, every function answers `denied`.
    pub denied: BTreeSet<Interface>,
    /// Grants whose parameters come from values that are not known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateGrant>,
    /// Bounds of an attempt.
    pub limits: AttemptLimits,
    /// Bounds of each of its tasks.
    pub task_limits: TaskLimits,
    /// When it is tried again.
    pub retry: Retry,
    /// Of an attempt from start to end, in milliseconds.
    pub timeout_ms: u64,
    /// A newer run does not cancel it once it has started.
    pub uninterruptible: bool,
    /// It runs last, whatever the outcome.
    pub finally: bool,
    /// JSON Schema of its outputs.
    pub outputs: Json,
    /// Whether it may be skipped because its inputs are the same.
    pub skip: Skip,
}

/// A grant that the manifest derives from a part of `with` which an expression fills at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateGrant {
    /// What the manifest asks for, cut down to the parameters that are not known yet.
    pub wanted: Wanted,
    /// Without it the stage cannot run.
    pub required: bool,
}

/// An artifact of a stage that has ended before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Artifact {
    /// The stage that saved it.
    pub stage: StageName,
    /// Its name there.
    pub name: String,
}

/// How the tree is checked out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceOptions {
    /// Submodules too.
    pub submodules: bool,
    /// Commits of history; `None` is all that the mirror has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
}

impl Default for WorkspaceOptions {
    fn default() -> Self {
        Self { submodules: true, depth: None }
    }
}

/// A container beside a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Service {
    /// Where its root comes from; none is the executor's own toolbox. May hold `${{ }}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// argv; empty is the image's own entry point. May hold `${{ }}`.
    pub command: Vec<String>,
    /// Variables; values may hold `${{ }}`.
    pub env: BTreeMap<String, String>,
    /// When the task may start.
    pub ready: Ready,
    /// For how long readiness is waited for, in milliseconds.
    pub within_ms: u64,
}

/// A directory that is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cache {
    /// Where it is mounted; none is where caches of this name are by custom (`cargo`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What the trust of the run allows.
    pub access: CacheRule,
}

/// Who must agree before a stage starts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Approval {
    /// Who may; empty is everybody who may push.
    pub approvers: Vec<String>,
    /// For how long it is waited for, in milliseconds.
    pub within_ms: u64,
    /// What is asked; none is the engine's own sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
}

/// When a stage is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Retry {
    /// In all, the first included.
    pub attempts: u32,
    /// After which endings.
    pub on: BTreeSet<RetryOn>,
    /// How long it waits in between.
    pub backoff: Backoff,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, on: BTreeSet::from([RetryOn::Errored]), backoff: Backoff::default() }
    }
}

/// An ending after which a stage is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryOn {
    /// It could not be told.
    Errored,
    /// The user's work said no.
    Failed,
}

/// The pause before another attempt: doubles from `first_ms`, never above `most_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Backoff {
    /// Before the second attempt, in milliseconds.
    pub first_ms: u64,
    /// Before any attempt, in milliseconds.
    pub most_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first_ms: 1_000, most_ms: 300_000 }
    }
}

impl Backoff {
    /// The pause after `ended` attempts, in milliseconds.
    pub fn after(&self, ended: u32) -> u64 {
        let doubled =
            self.first_ms.saturating_mul(1_u64.checked_shl(ended.saturating_sub(1)).unwrap_or(u64::MAX));
        doubled.min(self.most_ms.max(self.first_ms))
    }
}
