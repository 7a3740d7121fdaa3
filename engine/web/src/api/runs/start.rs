//! `POST …/runs` and `POST …/runs/{run}/rerun`: runs that a person wants.

use super::super::allow::{Allow, Run as MayRun};
use super::super::extract::{At, Said};
use super::super::{Answer, Routes, accepted};
use super::list::Run;
use super::name::{RunAt, RunName};
use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;
use stageway_core::delivery::{Occasion, Reference, Revision};
use stageway_core::diagnostic::codes;
use stageway_core::name::{PipelineName, ReceiptId, RepositoryId, StageName, TenantId};
use stageway_ports::Outcome;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Problems that one answer tells.
const MOST_TOLD: usize = 20;

/// What is to be run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Start {
    /// As the operator calls it.
    #[schema(value_type = String)]
    repository: RepositoryId,
    /// One of its pipelines.
    #[schema(value_type = String)]
    pipeline: PipelineName,
    /// A branch, or a full ref such as `refs/tags/v1`; the default branch if nothing is said.
    #[serde(default, rename = "ref")]
    #[schema(max_length = 1000)]
    reference: Option<String>,
    /// A commit of it; its head if nothing is said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    revision: Option<Revision>,
    /// By the names that the pipeline declares.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    parameters: BTreeMap<String, JsonValue>,
}

/// From where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rerun {
    /// The first stage that is done again, with all that follow from it; of a matrix one cell or all. Without it all stages.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    from: Option<StageName>,
}

/// It takes longer: the delivery says what becomes of it.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Begun {
    /// Its id.
    delivery: String,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(rerun))
}

/// Starts a run by hand
///
/// It has the trust of its branch. What is wrong with the pipeline or the parameters is told at once.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/runs", tag = "runs", security(("token" = ["run"])), request_body = Start,
    responses(
        (status = 201, description = "The run", body = Run),
        (status = 202, description = "It takes longer than an answer may", body = Begun)
    )
)]
async fn start(allow: Allow<MayRun>, State(app): State<Arc<App>>, Said(said): Said<Start>) -> Answer {
    let place = app.site.place(allow.tenant(), &said.repository).ok_or_else(Problem::not_there)?;
    let reference = said.reference.unwrap_or_else(|| place.repository.default_branch.clone());
    let reference = match reference.strip_prefix("refs/") {
        Some(_) => Reference::new(reference),
        None => Reference::of_branch(&reference),
    };
    let reference = reference.map_err(|error| Problem::not_understood(error.to_string()))?;
    let occasion = Occasion::Manual {
        pipeline: said.pipeline,
        reference,
        revision: said.revision,
        parameters: said.parameters,
        by: allow.by(),
    };
    wanted(&app, allow.tenant(), &said.repository, occasion).await
}

/// Does a run once more, with its plan
///
/// Its commit, parameters and grants are the same. Stages before `from` are taken over with their outputs and artifacts.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/runs/{run}/rerun", tag = "runs", security(("token" = ["run"])),
    request_body = Rerun,
    responses(
        (status = 201, description = "The new run", body = Run),
        (status = 202, description = "It takes longer than an answer may", body = Begun)
    )
)]
async fn rerun(
    allow: Allow<MayRun>,
    State(app): State<Arc<App>>,
    At(at): At<RunAt>,
    Said(said): Said<Rerun>,
) -> Answer {
    let tenant = allow.tenant();
    let (run, loaded) = at.run.load(&app, tenant).await?;
    let number = loaded.number;
    if !loaded.state.status.is_final() {
        return Err(Problem::stands_otherwise(format!("run {number} has not ended")));
    }
    if let Some(from) = said.from.as_ref().filter(|from| loaded.plan.meant_by(from).is_empty()) {
        return Err(Problem::not_understood(format!("run {number} has no stage `{from}`")));
    }
    let Some(origin) = app.inbox.origin(tenant, &run).await? else {
        return Err(Problem::stands_otherwise(format!("run {number} is of no registered repository")));
    };
    let occasion = Occasion::Again { run, from: said.from, by: allow.by() };
    wanted(&app, tenant, &origin.key.repository, occasion).await
}

/// Stores the wish, and waits for what becomes of it.
pub(in crate::api) async fn wanted(
    app: &App,
    tenant: &TenantId,
    repository: &RepositoryId,
    occasion: Occasion,
) -> Answer {
    let starter = &app.resources.starter;
    let id = starter.person(tenant, repository, occasion).await?;
    let settled = starter.settled(tenant, &id, app.limits.start_time).await?;
    match settled.and_then(|delivery| delivery.outcome) {
        Some(outcome) => answered(app, tenant, &id, outcome).await,
        None => Ok(accepted(Begun { delivery: id.to_string() })),
    }
}

async fn answered(app: &App, tenant: &TenantId, delivery: &ReceiptId, outcome: Outcome) -> Answer {
    if let Some(run) = outcome.runs.into_iter().next() {
        let run = Run::from(RunName::Id(run).find(app, tenant).await?);
        let place = format!("/api/v1/tenants/{tenant}/runs/{}", run.id());
        return Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(run)).into_response());
    }
    let problems = outcome.problems.iter().take(MOST_TOLD).map(|problem| {
        let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        format!("{place}{} [{}]: {}", problem.message, problem.code, problem.remedy)
    });
    let told: Vec<String> = problems.collect();
    let detail = if told.is_empty() { outcome.summary } else { told.join("\n") };
    let refused = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, codes::NOT_UNDERSTOOD);
    Err(refused.because(detail).of(delivery.as_str()).with_problems(outcome.problems))
}
