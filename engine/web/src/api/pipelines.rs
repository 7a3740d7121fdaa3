//! `…/pipelines`

use super::look::Look;
use super::runs::Run;
use super::{Answer, Routes, page};
use crate::app::App;
use axum::extract::State;
use serde::Serialize;
use stageway_ports::{RunFilter, RunSummary};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A pipeline with its newest run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct Pipeline {
    /// Its name.
    name: String,
    /// Where its newest run came from; none for one that was started by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    /// Its newest run.
    newest: Run,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// The pipelines of a tenant
///
/// Those of its newest 1000 runs.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/pipelines", tag = "runs", security(("token" = ["read"])),
    responses((status = 200, description = "By name", body = Vec<Pipeline>))
)]
async fn list(look: Look, State(app): State<Arc<App>>) -> Answer {
    let filter = RunFilter { max: page::MOST, ..RunFilter::default() };
    let mut newest: BTreeMap<_, RunSummary> = BTreeMap::new();
    for run in app.store().runs(look.tenant(), &filter).await? {
        newest.entry(run.pipeline.clone()).or_insert(run);
    }
    let mut pipelines = Vec::with_capacity(newest.len());
    for (name, run) in newest {
        let origin = app.inbox.origin(look.tenant(), &run.id).await?;
        let repository = origin.map(|origin| origin.key.repository.to_string());
        pipelines.push(Pipeline { name: name.to_string(), repository, newest: run.into() });
    }
    Ok(look.json(pipelines))
}
