//! `GET /api/v1/tenants/{tenant}/changes`

use super::allow::{Allow, Read};
use super::extract::Ask;
use super::{Answer, Routes};
use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The longest wait, in milliseconds.
const LONGEST: u64 = 30_000;

/// Since when, and for how long.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Waiting {
    /// The count that is known.
    #[serde(default)]
    #[param(required = false, minimum = 0)]
    since: u64,
    /// How long to wait for a greater one, in milliseconds, at most 30000.
    #[serde(default)]
    #[param(required = false, minimum = 0, maximum = 30_000)]
    within_ms: u64,
}

/// How often something has changed.
#[derive(Serialize, ToSchema)]
struct Changes {
    /// Grows with everything that can be seen of the tenant.
    changes: u64,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(changes))
}

/// Waits for a change
///
/// Answers as soon as the tenant's count of changes is greater than `since`, at the latest after `within-ms`. Whoever takes the
/// count first and looks at things after it misses nothing.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/changes", tag = "server", security(("token" = ["read"])),
    params(Waiting),
    responses((status = 200, description = "The count", body = Changes))
)]
async fn changes(allow: Allow<Read>, State(app): State<Arc<App>>, Ask(asked): Ask<Waiting>) -> Answer {
    if asked.within_ms > LONGEST {
        return Err(Problem::not_understood(format!("`within-ms` is more than {LONGEST}")));
    }
    let within = Duration::from_millis(asked.within_ms);
    let changes = tokio::select! {
        changes = app.store().changed(allow.tenant(), asked.since, within) => changes,
        () = app.stopped() => asked.since,
    };
    Ok(Json(Changes { changes }).into_response())
}
