//! What holds for every route.

use crate::app::App;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Nothing of this is a page, and nothing of it is for caches between us and whoever asked.
const MARKS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Marks every answer.
pub(super) async fn marked(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in MARKS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whoever would wait too long is told so.
pub(super) async fn in_time(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(app.limits.answer_time, next.run(request)).await;
    answer.unwrap_or_else(|_| Problem::busy().because("the answer took too long").into_response())
}
