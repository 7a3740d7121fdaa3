//! `GET …/runs/{run}/events`

use super::super::extract::{Ask, At};
use super::super::look::Look;
use super::super::{Answer, Routes, page};
use super::name::RunAt;
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Events of a run.
#[derive(Serialize, ToSchema)]
struct Events {
    /// How many there are in all.
    version: u64,
    /// In order: `kind`, `at`, and what belongs to the kind.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Json>,
}

/// Which events.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only those after so many.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    after: u64,
    /// At most so many, 1000 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<u32>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(events))
}

/// What happened in a run, in order
///
/// Where a run stands is the fold of its events. The header `Link` leads to the next page.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/events", tag = "runs", security(("token" = ["read"])),
    params(Wanted), responses((status = 200, description = "A page of events", body = Events))
)]
async fn events(
    look: Look,
    State(app): State<Arc<App>>,
    uri: Uri,
    At(at): At<RunAt>,
    Ask(wanted): Ask<Wanted>,
) -> Answer {
    let max = page::size(wanted.max, page::MOST)? as usize;
    let id = at.run.id(&app, look.tenant()).await?;
    let record = app.store().run(look.tenant(), &id).await?.ok_or_else(Problem::not_there)?;
    let after = usize::try_from(wanted.after).unwrap_or(usize::MAX);
    let events: Vec<Json> = record.events.iter().skip(after).take(max).map(|event| json!(event)).collect();
    let end = wanted.after.saturating_add(events.len() as u64);
    let next = (end < record.version && !events.is_empty()).then_some(("after", end));
    Ok(page::linked(look.json(Events { version: record.version, events }), &uri, next))
}
