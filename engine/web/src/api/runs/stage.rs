//! A stage of a run as it is shown.

use serde::Serialize;
use serde_json::{Value as Json, json};
use stageway_core::name::StageName;
use stageway_core::plan::PlannedStage;
use stageway_core::run::{Ended, StageState, StageStatus};
use stageway_core::task::Collected;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A stage of a run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Stage {
    /// Its name.
    name: String,
    /// `pending`, `held`, `running`, `parked`, `retrying`, `succeeded`, `failed`, `errored`, `cancelled` or `skipped`.
    status: &'static str,
    /// What it waits for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Attempts so far.
    attempts: u32,
    /// When its first attempt started, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<u64>,
    /// When it ended or was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<u64>,
    /// The plugin: `NAMESPACE/NAME@VERSION`.
    plugin: String,
    /// sha256 of the plugin's component.
    plugin_digest: String,
    /// Which cell of a matrix it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    cell: Option<Cell>,
    /// Stages that end before it starts; of a matrix all cells.
    needs: Vec<String>,
    /// Whose lock it holds while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// By name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    outputs: Option<Json>,
    /// By name.
    artifacts: BTreeMap<String, Artifact>,
    /// Why it failed or errored: `code`, `message`, `details`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    failure: Option<Json>,
    /// Why it was skipped: `unchanged` with its proof, `condition`, `upstream` or `outdated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    skipped: Option<Json>,
}

/// A cell of a matrix.
#[derive(Serialize, ToSchema)]
pub(super) struct Cell {
    /// The stage of the file that has the matrix.
    of: String,
    /// Which of its cells, as expressions name it.
    key: String,
    /// By axis: text, a whole number or a bool.
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    values: BTreeMap<String, Json>,
}

impl From<&stageway_core::plan::Cell> for Cell {
    fn from(cell: &stageway_core::plan::Cell) -> Self {
        Self { of: cell.of.to_string(), key: cell.key.clone(), values: cell.values.clone() }
    }
}

/// What a stage left.
#[derive(Serialize, ToSchema)]
pub(super) struct Artifact {
    /// `file` or `tree`.
    pub(super) kind: &'static str,
    /// Of a file its sha256, of a tree that of its canonical list.
    pub(super) digest: String,
    /// Bytes of all files.
    pub(super) size: u64,
}

impl From<&Collected> for Artifact {
    fn from(collected: &Collected) -> Self {
        let kind = match collected {
            Collected::File { .. } => "file",
            Collected::Tree { .. } => "tree",
        };
        Self { kind, digest: collected.digest().to_string(), size: collected.size() }
    }
}

impl Stage {
    pub(super) fn new(name: &StageName, planned: &PlannedStage, state: &StageState) -> Self {
        let ended = state.ended();
        let artifacts = ended.and_then(Ended::artifacts).into_iter().flatten();
        Self {
            name: name.to_string(),
            status: word(&state.status),
            why: why(&state.status),
            attempts: state.attempts,
            started_at: state.started_at,
            ended_at: state.ended_at,
            plugin: format!("{}@{}", planned.plugin.name, planned.plugin.version),
            plugin_digest: planned.plugin.digest.to_string(),
            cell: planned.cell.as_ref().map(Cell::from),
            needs: planned.needs.iter().map(StageName::to_string).collect(),
            environment: planned.environment.as_ref().map(ToString::to_string),
            outputs: ended.and_then(Ended::outputs).map(|outputs| json!(outputs)),
            artifacts: artifacts.map(|(name, found)| (name.clone(), found.into())).collect(),
            failure: match ended {
                Some(Ended::Failed(failure) | Ended::Errored(failure)) => Some(json!(failure)),
                _ => None,
            },
            skipped: match ended {
                Some(Ended::Skipped(reason)) => Some(json!(reason)),
                _ => None,
            },
        }
    }
}

fn word(status: &StageStatus) -> &'static str {
    match status {
        StageStatus::Pending => "pending",
        StageStatus::Held(_) => "held",
        StageStatus::Running => "running",
        StageStatus::Parked(_) => "parked",
        StageStatus::Retrying(_) => "retrying",
        StageStatus::Ended(ended) => ended.as_str(),
    }
}

fn why(status: &StageStatus) -> Option<String> {
    match status {
        StageStatus::Held(why) | StageStatus::Parked(why) => Some(why.clone()),
        StageStatus::Retrying(due) => {
            Some(format!("for its next attempt, at {}", stageway_core::instant::text(*due)))
        }
        StageStatus::Pending | StageStatus::Running | StageStatus::Ended(_) => None,
    }
}
