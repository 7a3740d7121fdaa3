//! `POST /webhooks/{id}`: a delivery of a forge.
//!
//! The body is taken as it is, within its bounds; the signature is checked over exactly those bytes before anything is parsed;
//! what is authentic is durable before it is answered. No network and no git stands between.

use crate::app::{App, mib};
use crate::metrics::Metrics;
use crate::problem::Problem;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use stageway_conductor::service::Turned;
use stageway_core::delivery::{Headers, RawDelivery};
use stageway_core::diagnostic::codes;
use stageway_core::name::{ReceiptId, TenantId, WebhookId};
use stageway_ports::{Received, Unreadable};
use std::sync::Arc;
use std::time::Duration;

/// For room in memory nobody waits longer.
const ROOM: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct Accepted<'a> {
    delivery: &'a ReceiptId,
}

pub(crate) async fn deliver(
    State(app): State<Arc<App>>,
    Path(webhook): Path<String>,
    request: Request<Body>,
) -> Response {
    match taken(&app, &webhook, request).await {
        Ok(received) => {
            let metrics = &app.metrics;
            Metrics::count(if received.first {
                &metrics.deliveries_stored
            } else {
                &metrics.deliveries_repeated
            });
            (StatusCode::ACCEPTED, Json(Accepted { delivery: &received.id })).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn taken(app: &App, webhook: &str, request: Request<Body>) -> Result<Received, Problem> {
    if app.is_stopping() {
        return Err(Problem::busy().because("the server is about to stop"));
    }
    let (parts, body) = request.into_parts();
    let size = length(&parts.headers);
    if size.is_some_and(|size| size > app.limits.body_bytes as u64) {
        return Err(too_large());
    }
    let wanted = size.map_or(app.limits.body_bytes, |size| usize::try_from(size).unwrap_or(usize::MAX));
    let wanted = u32::try_from(mib(wanted)).unwrap_or(u32::MAX);
    let room = tokio::time::timeout(ROOM, app.bodies.acquire_many(wanted)).await;
    let Ok(Ok(_room)) = room else {
        Metrics::count(&app.metrics.deliveries_failed);
        return Err(Problem::busy());
    };
    let body = whole(app, body).await?;
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let Ok(headers) = Headers::new(headers) else { return Err(not_authentic(app)) };
    let delivery = RawDelivery { headers, body };
    let (webhook, tenant) = app.reception.authenticate(webhook, &delivery).map_err(|_| not_authentic(app))?;
    within_rates(app, &webhook, &tenant)?;
    store(app, &webhook, &delivery).await
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body, whole, within its bounds of size and time.
async fn whole(app: &App, body: Body) -> Result<Bytes, Problem> {
    let most = app.limits.body_bytes;
    // One byte more than is taken tells that there was more.
    match tokio::time::timeout(app.limits.body_time, axum::body::to_bytes(body, most + 1)).await {
        Ok(Ok(bytes)) if bytes.len() <= most => Ok(bytes),
        Ok(Ok(_)) => Err(too_large()),
        Ok(Err(error)) if is_limit(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, codes::BODY_INCOMPLETE)),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, codes::BODY_INCOMPLETE)),
    }
}

fn is_limit(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(|source| source.to_string().contains("length limit"))
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, codes::BODY_TOO_LARGE)
}

/// The same for a wrong signature, an unknown webhook and a disabled one.
fn not_authentic(app: &App) -> Problem {
    Metrics::count(&app.metrics.deliveries_refused);
    Problem::new(StatusCode::UNAUTHORIZED, codes::NOT_AUTHENTIC)
}

fn within_rates(app: &App, webhook: &WebhookId, tenant: &TenantId) -> Result<(), Problem> {
    let limits = &app.limits;
    let of_webhook = limits.of_webhook.get(webhook).copied().unwrap_or(limits.usual);
    let of_tenant = limits.of_tenant.get(tenant).copied().unwrap_or(limits.usual);
    let now = app.clock.now_ms();
    for (name, a_minute) in
        [(format!("webhook {webhook}"), of_webhook), (format!("tenant {tenant}"), of_tenant)]
    {
        app.rates.take(&name, a_minute, now).map_err(|seconds| {
            Metrics::count(&app.metrics.deliveries_limited);
            Problem::new(StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY_REQUESTS)
                .because(format!("the {name} sends more than {a_minute} deliveries a minute"))
                .after(seconds)
        })?;
    }
    Ok(())
}

async fn store(app: &App, webhook: &WebhookId, delivery: &RawDelivery) -> Result<Received, Problem> {
    let busy = || {
        Metrics::count(&app.metrics.deliveries_failed);
        Problem::busy()
    };
    let Ok(id) = ReceiptId::new((app.ids)()) else { return Err(busy()) };
    app.reception.take(webhook, delivery, id).await.map_err(|turned| match turned {
        Turned::NotAuthentic => not_authentic(app),
        Turned::NotUnderstood { id, problem } => {
            Metrics::count(&app.metrics.deliveries_unreadable);
            let status = match problem {
                Unreadable::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            Problem::new(status, codes::DELIVERY_UNREADABLE).because(problem.to_string()).of(id.as_str())
        }
        Turned::Store(error) => {
            tracing::error!(webhook.id = %webhook, %error, "a delivery cannot be stored");
            busy()
        }
    })
}
