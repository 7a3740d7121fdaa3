//! `GET …/runs/{run}/logs`

use super::super::super::extract::{Ask, At};
use super::super::super::look::Look;
use super::super::super::{Answer, Routes, page};
use super::super::name::RunAt;
use super::run_of;
use crate::app::App;
use axum::extract::State;
use axum::http::{Uri, header};
use serde::Deserialize;
use stageway_core::name::StageName;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this stage.
    #[param(value_type = Option<String>, pattern = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    stage: Option<StageName>,
    /// Only those with a greater number.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    after: u64,
    /// At most so many, 1000 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<u32>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(lines))
}

/// Lines of a run, in order of arrival
///
/// One JSON object a line: `number`, `struck`, and `line` with `stage`, `attempt`, `at`, `level`, `origin` and `text`. A number never
/// changes its line; a line that is `struck` belongs to a time that did not happen. The header `Link` leads to the next page.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/logs", tag = "logs", security(("token" = ["read"])),
    params(Wanted),
    responses((status = 200, description = "A page of lines", body = String, content_type = "application/x-ndjson"))
)]
async fn lines(
    look: Look,
    State(app): State<Arc<App>>,
    uri: Uri,
    At(at): At<RunAt>,
    Ask(wanted): Ask<Wanted>,
) -> Answer {
    let max = page::size(wanted.max, page::MOST)?;
    let stage = wanted.stage.as_ref();
    let (run, _) = run_of(&app, look.tenant(), &at.run, stage).await?;
    let lines = app.store().lines(look.tenant(), &run, stage, wanted.after, max).await?;
    let full = lines.len() == max as usize;
    let next = lines.last().filter(|_| full).map(|line| ("after", line.number));
    let mut text = String::new();
    for line in &lines {
        text.push_str(&serde_json::to_string(line).unwrap_or_default());
        text.push('\n');
    }
    let answer = look.tagged(([(header::CONTENT_TYPE, "application/x-ndjson")], text));
    Ok(page::linked(answer, &uri, next))
}
