//! `…/deliveries/{delivery}`

use super::super::allow::{Allow, Run};
use super::super::extract::At;
use super::super::look::Look;
use super::super::{Answer, Routes, accepted};
use super::DeliveryAt;
use super::list::Delivery;
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::header;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A delivery with its headers.
#[derive(Serialize, ToSchema)]
struct DeliveryShown {
    /// The delivery.
    #[serde(flatten)]
    delivery: Delivery,
    /// In order, names in lower case, without what is secret.
    headers: Vec<Header>,
}

/// A header of a delivery.
#[derive(Serialize, ToSchema)]
struct Header {
    /// In lower case.
    name: String,
    /// As it came.
    value: String,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(body)).routes(routes!(redeliver))
}

/// One delivery, and what became of it
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/deliveries/{delivery}", tag = "deliveries", security(("token" = ["read"])),
    responses((status = 200, description = "The delivery", body = DeliveryShown))
)]
async fn show(look: Look, State(app): State<Arc<App>>, At(at): At<DeliveryAt>) -> Answer {
    let found = app.inbox.delivery(look.tenant(), &at.delivery).await?.ok_or_else(Problem::not_there)?;
    let headers =
        found.headers.iter().map(|(name, value)| Header { name: name.clone(), value: value.clone() });
    let headers = headers.collect();
    Ok(look.json(DeliveryShown { delivery: found.into(), headers }))
}

/// The body of a delivery, as it came
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/deliveries/{delivery}/body", tag = "deliveries",
    security(("token" = ["read"])),
    responses((status = 200, description = "Its bytes", body = Vec<u8>, content_type = "application/octet-stream"))
)]
async fn body(look: Look, State(app): State<Arc<App>>, At(at): At<DeliveryAt>) -> Answer {
    let bytes = app.inbox.body(look.tenant(), &at.delivery).await?.ok_or_else(Problem::not_there)?;
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
    Ok(look.tagged((headers, bytes)))
}

/// Has a delivery taken in once more
///
/// What it started already is not started again.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/deliveries/{delivery}/redeliver", tag = "deliveries",
    security(("token" = ["run"])),
    responses((status = 202, description = "It is taken in once more", body = Delivery))
)]
async fn redeliver(allow: Allow<Run>, State(app): State<Arc<App>>, At(at): At<DeliveryAt>) -> Answer {
    app.inbox.reopen(allow.tenant(), &at.delivery).await?;
    app.reception.wake.intake.notify_one();
    tracing::info!(tenant.id = %allow.tenant(), by = allow.by(), "a delivery is taken in once more");
    let found = app.inbox.delivery(allow.tenant(), &at.delivery).await?.ok_or_else(Problem::not_there)?;
    Ok(accepted(Delivery::from(found)))
}
