//! How the server is.

use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use stageway_core::diagnostic::codes;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// The store is asked for nothing in particular: that it answers is enough.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, codes::SERVER_BUSY);
    if app.stopping.load(Ordering::Relaxed) {
        return busy.because("the server is about to stop").into_response();
    }
    match app.inbox.pending(0, 1).await {
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(%error, "the server is not ready");
            busy.because("the store does not answer").into_response()
        }
    }
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.text()).into_response()
}

pub(crate) async fn not_there() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, codes::NOT_THERE)
}
