//! `GET …/runs/{run}/reports`

use super::super::extract::{Ask, At};
use super::super::look::Look;
use super::super::{Answer, Routes};
use super::name::RunAt;
use crate::app::App;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use stageway_core::log::{Report, ReportKind};
use stageway_core::name::StageName;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a report is.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// A test report.
    Tests,
    /// A measure.
    Measure,
    /// Something about a place in a file.
    Annotation,
}

/// Which reports.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this stage.
    #[param(value_type = Option<String>, pattern = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    stage: Option<StageName>,
    /// Only of this kind.
    #[param(inline)]
    kind: Option<Kind>,
}

impl Wanted {
    fn has(&self, report: &Report) -> bool {
        let kind = self.kind.as_ref().map(|kind| match kind {
            Kind::Tests => ReportKind::Tests,
            Kind::Measure => ReportKind::Measure,
            Kind::Annotation => ReportKind::Annotation,
        });
        kind.is_none_or(|kind| kind == report.kind)
            && self.stage.as_ref().is_none_or(|stage| *stage == report.stage)
    }
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(reports))
}

/// Test reports, measures and annotations of a run, in order
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/reports", tag = "runs", security(("token" = ["read"])),
    params(Wanted),
    responses((status = 200, description = "Each with `stage`, `attempt`, `at`, `kind` and `body`", body = Vec<serde_json::Value>))
)]
async fn reports(
    look: Look,
    State(app): State<Arc<App>>,
    At(at): At<RunAt>,
    Ask(wanted): Ask<Wanted>,
) -> Answer {
    let run = at.run.id(&app, look.tenant()).await?;
    let reports = app.store().reports(look.tenant(), &run).await?;
    let shown = reports.iter().filter(|report| wanted.has(report)).map(|report| json!(report));
    Ok(look.json(shown.collect::<Vec<Json>>()))
}
