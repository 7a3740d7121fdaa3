//! `GET …/runs/{run}/stages/{stage}/attempts/{attempt}/journal`

use super::super::extract::{Ask, At};
use super::super::look::Look;
use super::super::{Answer, Routes, page};
use super::name::RunName;
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use stageway_core::journal::Record;
use stageway_core::name::StageName;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The address of an attempt.
#[derive(Deserialize)]
struct AttemptAt {
    run: RunName,
    stage: StageName,
    attempt: u32,
}

/// Which records.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only those with a greater number; the first record has the number 0.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// At most so many, 200 if nothing is said; an intent and its answer are never parted.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<u32>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(journal))
}

/// The journal of an attempt
///
/// Every call that read, changed or waited for the outside, with its answer. Secrets stand in it by name only. The header `Link`
/// leads to the next page.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/stages/{stage}/attempts/{attempt}/journal", tag = "runs",
    security(("token" = ["read"])), params(Wanted),
    responses((status = 200, description = "A page of records: `header`, `intent`, `entry` or `end`", body = Vec<serde_json::Value>))
)]
async fn journal(
    look: Look,
    State(app): State<Arc<App>>,
    uri: Uri,
    At(at): At<AttemptAt>,
    Ask(wanted): Ask<Wanted>,
) -> Answer {
    let max = page::size(wanted.max, 200)? as usize;
    let run = at.run.id(&app, look.tenant()).await?;
    let records = app.store().journal(look.tenant(), &run, &at.stage, at.attempt).await?;
    if records.is_empty() {
        return Err(Problem::not_there());
    }
    let wanted = |record: &&Record| wanted.after.is_none_or(|after| u64::from(record.seq()) > after);
    let rest: Vec<&Record> = records.iter().filter(wanted).collect();
    let page = &rest[..end(&rest, max)];
    let full = page.len() < rest.len();
    let next = page.last().filter(|_| full).map(|record| ("after", u64::from(record.seq())));
    Ok(page::linked(look.json(page.iter().map(|record| json!(record)).collect::<Vec<Json>>()), &uri, next))
}

/// Where the page ends: what belongs to one number stays together.
fn end(records: &[&Record], max: usize) -> usize {
    let Some(last) = records.get(max.saturating_sub(1)) else { return records.len() };
    let same = |record: &&&Record| record.seq() == last.seq();
    max + records[max..].iter().take_while(same).count()
}
