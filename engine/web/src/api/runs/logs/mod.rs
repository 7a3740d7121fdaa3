//! `…/runs/{run}/logs`: as JSON lines, as plain text, and live.

mod lines;
mod stream;
mod text;

use super::super::Routes;
use super::name::RunName;
use crate::app::App;
use crate::problem::Problem;
use stageway_conductor::driver::load;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_ports::StoredLine;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().merge(lines::routes()).merge(text::routes())
}

pub(super) fn waiting() -> Routes {
    stream::routes()
}

/// The run of a log; where a stage is named, one that the run has.
async fn run_of(
    app: &App,
    tenant: &TenantId,
    run: &RunName,
    stage: Option<&StageName>,
) -> Result<(RunId, u64), Problem> {
    let found = run.find(app, tenant).await?;
    if let Some(stage) = stage {
        let loaded = load(app.store(), tenant, &found.id).await?;
        if !loaded.plan.stages.contains_key(stage) {
            let detail = format!("run {} has no stage `{stage}`", found.number);
            return Err(Problem::not_there().because(detail));
        }
    }
    Ok((found.id, found.number))
}

/// A line as people read it.
fn in_words(stored: &StoredLine, named: bool) -> String {
    let struck = if stored.struck { "(struck out) " } else { "" };
    match (&stored.line.stage, named) {
        (Some(stage), true) => format!("{stage} | {struck}{}\n", stored.line.text),
        _ => format!("{struck}{}\n", stored.line.text),
    }
}
