//! `GET …/runs/{run}`

use super::super::extract::At;
use super::super::look::Look;
use super::super::{Answer, Routes};
use super::name::{RunAt, RunName};
use super::stage::Stage;
use crate::app::App;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value as Json, json};
use stageway_conductor::driver::Loaded;
use stageway_conductor::service::Waits;
use stageway_core::name::RunId;
use stageway_core::run::RunStatus;
use stageway_ports::RunOrigin;
use std::slice;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A run with its stages.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct RunShown {
    /// Sorts by the time it was made.
    id: String,
    /// Counts the tenant's runs from 1.
    number: u64,
    /// Its pipeline.
    pipeline: String,
    /// `queued`, `running`, `waiting`, `succeeded`, `failed`, `errored`, `cancelled` or `skipped`.
    status: &'static str,
    /// When it was made, in milliseconds since 1970.
    created_at: u64,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<u64>,
    /// Why it has not begun, or what the first of its stages that waits is waiting for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
    /// How many events there are.
    version: u64,
    /// What it is about, as expressions see it.
    #[schema(value_type = Object)]
    event: Json,
    /// `protected`, `member` or `fork`.
    trust: String,
    /// sha256 of the canonical list of the tree that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<String>,
    /// What of the outside made it; none for one that was started on the server's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    /// Who asked for its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel: Option<CancelWish>,
    /// In an order in which every stage comes after those it needs.
    stages: Vec<Stage>,
}

/// Where a run came from.
#[derive(Serialize, ToSchema)]
struct Cause {
    /// What the operator calls the repository.
    repository: String,
    /// The full ref.
    reference: String,
    /// The commit; of files that nobody pushed the digest of their tree.
    revision: String,
    /// Counts the heads that the ref had.
    generation: u64,
    /// The delivery that told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
}

/// A wish for the end of a run.
#[derive(Serialize, ToSchema)]
struct CancelWish {
    /// Who.
    by: String,
    /// Why; may be empty.
    reason: String,
}

impl From<RunOrigin> for Cause {
    fn from(origin: RunOrigin) -> Self {
        Self {
            repository: origin.key.repository.to_string(),
            reference: origin.key.reference.to_string(),
            revision: origin.revision.to_string(),
            generation: origin.key.generation,
            delivery: origin.delivery.map(|delivery| delivery.to_string()),
        }
    }
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(show))
}

/// One run with its stages
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}", tag = "runs", security(("token" = ["read"])),
    responses((status = 200, description = "The run", body = RunShown))
)]
async fn show(look: Look, State(app): State<Arc<App>>, At(at): At<RunAt>) -> Answer {
    let (id, loaded) = at.run.load(&app, look.tenant()).await?;
    let origin = app.inbox.origin(look.tenant(), &id).await?;
    let waits = match loaded.state.status {
        RunStatus::Queued => {
            let mut run = RunName::Number(loaded.number).find(&app, look.tenant()).await?;
            app.explain(look.tenant(), slice::from_mut(&mut run)).await?;
            run.waits
        }
        _ => Waits::of_stages(&loaded.state),
    };
    Ok(look.json(shown(&id, &loaded, origin, waits)))
}

fn shown(id: &RunId, loaded: &Loaded, origin: Option<RunOrigin>, waits: Option<String>) -> RunShown {
    let Loaded { number, plan, state, version, cancel: _ } = loaded;
    let planned = plan.stages.iter().filter_map(|(name, stage)| Some((name, stage, state.stages.get(name)?)));
    RunShown {
        id: id.to_string(),
        number: *number,
        pipeline: plan.pipeline.to_string(),
        status: state.status.as_str(),
        created_at: state.created_at,
        ended_at: state.ended_at,
        waits,
        version: *version,
        event: json!(plan.event),
        trust: plan.trust().to_string(),
        tree: state.tree.map(|tree| tree.to_string()),
        cause: origin.map(Cause::from),
        cancel: state.cancel.clone().map(|(by, reason)| CancelWish { by, reason }),
        stages: planned.map(|(name, planned, state)| Stage::new(name, planned, state)).collect(),
    }
}
