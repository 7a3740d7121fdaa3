//! `…/runs`: one file per part of a run; `start` is what makes new ones.

mod approvals;
mod artifacts;
mod cancel;
mod events;
mod journal;
mod list;
mod logs;
mod name;
mod plan;
mod reports;
mod show;
mod stage;
mod start;

pub(super) use approvals::Question;
pub(super) use list::Run;
pub(super) use start::{Begun, wanted};

use super::Routes;
use utoipa_axum::router::OpenApiRouter;

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .merge(list::routes())
        .merge(show::routes())
        .merge(plan::routes())
        .merge(events::routes())
        .merge(journal::routes())
        .merge(logs::routes())
        .merge(artifacts::routes())
        .merge(reports::routes())
        .merge(approvals::routes())
        .merge(cancel::routes())
        .merge(start::routes())
}

/// Routes that wait.
pub(super) fn waiting() -> Routes {
    logs::waiting()
}
