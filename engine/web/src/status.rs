//! How the server is.

use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use stageway_core::diagnostic::codes;
use std::sync::Arc;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(ready)).routes(routes!(metrics))
}

/// Whether the process answers
#[utoipa::path(get, path = "/health", tag = "server", responses((status = 200, description = "It does", body = String)))]
async fn health() -> &'static str {
    "ok\n"
}

/// Whether deliveries are taken
///
/// The store answers, and the server is not about to stop.
#[utoipa::path(get, path = "/ready", tag = "server", responses((status = 200, description = "They are", body = String)))]
async fn ready(State(app): State<Arc<App>>) -> Response {
    let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, codes::SERVER_BUSY);
    if app.is_stopping() {
        return busy.because("the server is about to stop").into_response();
    }
    // The store is asked for nothing, so that nothing is given out: that it answers is enough.
    match app.inbox.pending(0, 0).await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(%error, "the server is not ready");
            busy.because("the store does not answer").into_response()
        }
    }
}

/// Counts, in the text format of Prometheus
#[utoipa::path(get, path = "/metrics", tag = "server", responses((status = 200, description = "Counts", body = String)))]
async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.text()).into_response()
}

pub(crate) async fn not_there() -> Problem {
    Problem::not_there()
}

/// A known address, but not for this method. Of a webhook's address nothing is told.
pub(crate) async fn not_taken(uri: Uri) -> Problem {
    if uri.path().starts_with("/api/") {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, codes::METHOD_NOT_TAKEN);
    }
    Problem::not_there()
}
