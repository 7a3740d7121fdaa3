//! `POST …/runs/{run}/cancel`

use super::super::allow::{Allow, Run as MayRun};
use super::super::extract::{At, Said};
use super::super::{Answer, Routes, accepted};
use super::list::Run;
use super::name::RunAt;
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// May be empty.
    #[serde(default)]
    #[schema(max_length = 1000)]
    reason: String,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(cancel))
}

/// Asks for the end of a run
///
/// Its stages get their time to end. Asking twice is once.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/runs/{run}/cancel", tag = "runs", security(("token" = ["run"])),
    request_body = Cancel,
    responses((status = 202, description = "It ends as soon as its stages have had their time", body = Run))
)]
async fn cancel(
    allow: Allow<MayRun>,
    State(app): State<Arc<App>>,
    At(at): At<RunAt>,
    Said(said): Said<Cancel>,
) -> Answer {
    let run = at.run.find(&app, allow.tenant()).await?;
    if run.status.is_final() {
        let detail = format!("run {} has ended: it {}", run.number, run.status.as_str());
        return Err(Problem::stands_otherwise(detail));
    }
    let reason = super::super::extract::reason(said.reason)?;
    let now = app.clock.now_ms();
    app.store().request_cancel(allow.tenant(), &run.id, &allow.by(), &reason, now).await?;
    app.reception.wake.scheduler.notify_one();
    Ok(accepted(Run::from(run)))
}
