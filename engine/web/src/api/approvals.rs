//! `…/approvals`

use super::look::Look;
use super::runs::{Question, Run};
use super::{Answer, Routes, page};
use crate::app::App;
use axum::extract::State;
use serde::Serialize;
use stageway_ports::RunFilter;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A run that waits for a person.
#[derive(Serialize, ToSchema)]
struct Waiting {
    /// The run.
    run: Run,
    /// Its questions that nobody has answered.
    questions: Vec<Question>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// What waits for a person
///
/// Of the newest 1000 runs that have not ended.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/approvals", tag = "approvals", security(("token" = ["read"])),
    responses((status = 200, description = "Runs with open questions, newest first", body = Vec<Waiting>))
)]
async fn list(look: Look, State(app): State<Arc<App>>) -> Answer {
    let filter = RunFilter { unfinished: true, max: page::MOST, ..RunFilter::default() };
    let mut waiting = Vec::new();
    for run in app.store().runs(look.tenant(), &filter).await? {
        let asked = app.store().approvals(look.tenant(), &run.id).await?;
        let open = asked.into_iter().filter(|asked| asked.answer.is_none());
        let questions: Vec<Question> = open.map(Question::from).collect();
        if !questions.is_empty() {
            waiting.push(Waiting { run: run.into(), questions });
        }
    }
    Ok(look.json(waiting))
}
