//! The API under `/api/v1`: one file per family of routes, laid out as the addresses are.
//!
//! Every request has a token of one tenant (`allow`); what another tenant has looks like what is not there. Answers to reads
//! carry a weak `ETag` made of the tenant's count of changes (`look`). Lists are pages (`page`); every error is a
//! problem (`problem`) with a code. What the routes say of themselves becomes `openapi.json`.

mod allow;
mod approvals;
mod changes;
mod deliveries;
mod environments;
mod extract;
mod freezes;
mod guard;
mod look;
mod openapi;
mod page;
mod pipelines;
mod plugins;
mod preflight;
mod range;
mod repositories;
mod runs;
mod token;
mod version;

pub(crate) use preflight::Uploads;

use crate::app::App;
use crate::problem::Problem;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;

/// Bytes of a body that the API takes.
const BODY: usize = 1 << 20;

type Routes = OpenApiRouter<Arc<App>>;
type Answer = Result<Response, Problem>;

/// Routes that answer at once.
fn bounded() -> Routes {
    OpenApiRouter::new()
        .merge(version::routes())
        .merge(token::routes())
        .merge(repositories::routes())
        .merge(preflight::routes())
        .merge(pipelines::routes())
        .merge(runs::routes())
        .merge(approvals::routes())
        .merge(environments::routes())
        .merge(freezes::routes())
        .merge(deliveries::routes())
        .merge(plugins::routes())
}

/// Routes that wait, each within bounds of its own.
fn waiting() -> Routes {
    OpenApiRouter::new().merge(changes::routes()).merge(preflight::waiting()).merge(runs::waiting())
}

/// What the API says of itself, as JSON.
pub fn openapi() -> String {
    let documented = bounded().merge(waiting()).merge(crate::status::routes()).into_openapi();
    openapi::document(documented)
}

/// Every route of the API.
pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let document = openapi();
    let described = get(async move |State(_): State<Arc<App>>| {
        ([(header::CONTENT_TYPE, "application/json")], document.clone())
    });
    let bounded = Router::from(bounded())
        .route("/api/v1/openapi.json", described)
        .layer(from_fn_with_state(app.clone(), guard::in_time));
    bounded.merge(Router::from(waiting())).layer(from_fn(guard::marked)).layer(DefaultBodyLimit::max(BODY))
}

/// An answer that something was begun.
fn accepted(body: impl serde::Serialize) -> Response {
    (StatusCode::ACCEPTED, axum::Json(body)).into_response()
}
