//! `GET …/deliveries`

use super::super::extract::Ask;
use super::super::look::Look;
use super::super::{Answer, Routes, page};
use crate::app::App;
use axum::extract::State;
use axum::http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use stageway_core::name::WebhookId;
use stageway_ports::{DeliveryFilter, Outcome};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A request of a forge to a webhook.
#[derive(Serialize, ToSchema)]
pub(super) struct Delivery {
    /// Ours: sorts by the time it came.
    id: String,
    /// In order of arrival.
    number: u64,
    /// Where it came.
    webhook: String,
    /// The forge's own id.
    key: String,
    /// When it came, in milliseconds since 1970.
    at: u64,
    /// What it tells of, such as `push`.
    event: String,
    /// Bytes of its body.
    size: u64,
    /// The repository that it is about, if it is one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    /// How often it was taken up.
    attempts: u32,
    /// Why it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// What became of it; none until it was taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Became>,
}

/// What became of a delivery.
#[derive(Serialize, ToSchema)]
struct Became {
    /// When that was known, in milliseconds since 1970.
    at: u64,
    /// In one sentence.
    summary: String,
    /// Runs of it, new or already there.
    runs: Vec<String>,
    /// Pipelines that it did not start.
    skipped: Vec<Skipped>,
    /// What was wrong with the pipeline files.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<Json>,
}

/// A pipeline that a delivery did not start.
#[derive(Serialize, ToSchema)]
struct Skipped {
    /// Which.
    pipeline: String,
    /// Why.
    reason: String,
}

impl From<Outcome> for Became {
    fn from(outcome: Outcome) -> Self {
        let skipped = outcome.skipped.into_iter();
        Self {
            at: outcome.at,
            summary: outcome.summary,
            runs: outcome.runs.iter().map(ToString::to_string).collect(),
            skipped: skipped
                .map(|skipped| Skipped { pipeline: skipped.pipeline.to_string(), reason: skipped.reason })
                .collect(),
            problems: outcome.problems.iter().map(|problem| json!(problem)).collect(),
        }
    }
}

impl From<stageway_ports::Delivery> for Delivery {
    fn from(delivery: stageway_ports::Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            number: delivery.number,
            webhook: delivery.webhook.to_string(),
            key: delivery.key.to_string(),
            at: delivery.at,
            event: delivery.event,
            size: delivery.size,
            repository: delivery.repository.map(|repository| repository.to_string()),
            attempts: delivery.attempts,
            trouble: delivery.trouble,
            outcome: delivery.outcome.map(Became::from),
        }
    }
}

/// Which deliveries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this webhook.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
    webhook: Option<WebhookId>,
    /// Only those with a smaller number.
    #[param(minimum = 0)]
    before: Option<u64>,
    /// At most so many, 50 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<u32>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// What forges have sent, newest first
///
/// The header `Link` leads to the next page.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/deliveries", tag = "deliveries", security(("token" = ["read"])),
    params(Wanted), responses((status = 200, description = "A page of deliveries", body = Vec<Delivery>))
)]
async fn list(look: Look, State(app): State<Arc<App>>, uri: Uri, Ask(wanted): Ask<Wanted>) -> Answer {
    let max = page::size(wanted.max, 50)?;
    let Wanted { webhook, before, .. } = wanted;
    let found = app.inbox.deliveries(look.tenant(), &DeliveryFilter { webhook, before, max }).await?;
    let full = found.len() == max as usize;
    let next = found.last().filter(|_| full).map(|delivery| ("before", delivery.number));
    Ok(page::linked(look.json(found.into_iter().map(Delivery::from).collect::<Vec<_>>()), &uri, next))
}
