//! `GET …/runs/{run}/plan`

use super::super::extract::At;
use super::super::look::Look;
use super::super::{Answer, Routes};
use super::name::RunAt;
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(plan))
}

/// The frozen plan of a run
///
/// Everything that running it needs: plugins by digest, parameters, grants, order. It never changes.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/plan", tag = "runs", security(("token" = ["read"])),
    responses((status = 200, description = "The plan", body = serde_json::Value))
)]
async fn plan(look: Look, State(app): State<Arc<App>>, At(at): At<RunAt>) -> Answer {
    let id = at.run.id(&app, look.tenant()).await?;
    let record = app.store().run(look.tenant(), &id).await?.ok_or_else(Problem::not_there)?;
    Ok(look.json(record.plan))
}
