//! `GET …/runs`

use super::super::extract::Ask;
use super::super::look::Look;
use super::super::{Answer, Routes, page};
use crate::app::App;
use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use stageway_core::name::PipelineName;
use stageway_ports::{RunFilter, RunSummary};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A run as lists show it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) struct Run {
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
    /// Why it has not begun, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<String>,
}

impl Run {
    /// Its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl From<RunSummary> for Run {
    fn from(run: RunSummary) -> Self {
        Self {
            id: run.id.to_string(),
            number: run.number,
            pipeline: run.pipeline.to_string(),
            status: run.status.as_str(),
            created_at: run.created_at,
            ended_at: run.ended_at,
            waits: run.waits,
        }
    }
}

/// Which runs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this pipeline.
    #[param(value_type = Option<String>, pattern = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    pipeline: Option<PipelineName>,
    /// Only those that have not ended.
    #[serde(default)]
    #[param(required = false)]
    unfinished: bool,
    /// Only those with a smaller number.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// At most so many, 50 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<u32>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// The runs of a tenant, newest first
///
/// The header `Link` leads to the next page.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs", tag = "runs", security(("token" = ["read"])), params(Wanted),
    responses((status = 200, description = "A page of runs", body = Vec<Run>))
)]
async fn list(look: Look, State(app): State<Arc<App>>, uri: Uri, Ask(wanted): Ask<Wanted>) -> Answer {
    let max = page::size(wanted.max, 50)?;
    let Wanted { pipeline, unfinished, before, .. } = wanted;
    let mut runs = app.store().runs(look.tenant(), &RunFilter { pipeline, unfinished, before, max }).await?;
    app.explain(look.tenant(), &mut runs).await?;
    let full = runs.len() == max as usize;
    let next = runs.last().filter(|_| full).map(|run| ("before", run.number));
    Ok(page::linked(look.json(runs.into_iter().map(Run::from).collect::<Vec<_>>()), &uri, next))
}
