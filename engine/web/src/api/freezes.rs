//! `…/freezes`, `…/freeze` and `…/environments/{environment}/freeze`

use super::allow::{Admin, Allow};
use super::extract::{At, Said, reason};
use super::look::Look;
use super::{Answer, Routes, page};
use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use stageway_core::name::EnvironmentName;
use stageway_ports::{Freeze, FreezeEvent};
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Something that stands still.
#[derive(Serialize, ToSchema)]
pub(super) struct Frozen {
    /// The environment; none is the whole tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    /// Why; may be empty.
    reason: String,
    /// Who.
    by: String,
    /// When, in milliseconds since 1970.
    at: u64,
}

impl From<Freeze> for Frozen {
    fn from(Freeze { environment, reason, by, at }: Freeze) -> Self {
        Self { environment: environment.map(|name| name.to_string()), reason, by, at }
    }
}

/// What is frozen and what was.
#[derive(Serialize, ToSchema)]
struct FreezesShown {
    /// What stands still now.
    frozen: Vec<Frozen>,
    /// What happened, newest first, at most 1000.
    events: Vec<Happened>,
}

/// That something was frozen or thawed.
#[derive(Serialize, ToSchema)]
struct Happened {
    /// Whether it was frozen then; else it was thawed.
    frozen: bool,
    /// What, why, who and when.
    #[serde(flatten)]
    what: Frozen,
}

impl From<FreezeEvent> for Happened {
    fn from(event: FreezeEvent) -> Self {
        Self { frozen: event.frozen, what: event.what.into() }
    }
}

/// Why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Why {
    /// May be empty.
    #[serde(default)]
    #[schema(max_length = 1000)]
    reason: String,
}

/// That something stood still.
#[derive(Serialize, ToSchema)]
struct Thawed {
    /// Whether it was frozen before.
    thawed: bool,
}

/// The address of an environment.
#[derive(Deserialize)]
struct EnvironmentAt {
    environment: EnvironmentName,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(freeze_tenant, thaw_tenant))
        .routes(routes!(freeze_environment, thaw_environment))
}

/// What of a tenant is frozen, and what was
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/freezes", tag = "freezes", security(("token" = ["read"])),
    responses((status = 200, description = "What stands still, and what happened", body = FreezesShown))
)]
async fn list(look: Look, State(app): State<Arc<App>>) -> Answer {
    let frozen = app.resources.freezes.frozen(look.tenant()).await?;
    let events = app.resources.freezes.freeze_events(look.tenant(), page::MOST).await?;
    Ok(look.json(FreezesShown {
        frozen: frozen.into_iter().map(Frozen::from).collect(),
        events: events.into_iter().map(Happened::from).collect(),
    }))
}

/// Freezes a tenant
///
/// Its queued runs stay queued until it is thawed; those that have begun go on.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/freeze", tag = "freezes", security(("token" = ["admin"])), request_body = Why,
    responses((status = 200, description = "It is frozen", body = Frozen))
)]
async fn freeze_tenant(allow: Allow<Admin>, State(app): State<Arc<App>>, Said(why): Said<Why>) -> Answer {
    freeze(&app, &allow, None, why).await
}

/// Thaws a tenant
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/freeze", tag = "freezes", security(("token" = ["admin"])),
    responses((status = 200, description = "It is not frozen any more", body = Thawed))
)]
async fn thaw_tenant(allow: Allow<Admin>, State(app): State<Arc<App>>) -> Answer {
    thaw(&app, &allow, None).await
}

/// Freezes an environment
///
/// No stage enters it until it is thawed; those that would wait, and say why.
#[utoipa::path(
    put, path = "/api/v1/tenants/{tenant}/environments/{environment}/freeze", tag = "freezes",
    security(("token" = ["admin"])), request_body = Why,
    responses((status = 200, description = "It is frozen", body = Frozen))
)]
async fn freeze_environment(
    allow: Allow<Admin>,
    State(app): State<Arc<App>>,
    At(at): At<EnvironmentAt>,
    Said(why): Said<Why>,
) -> Answer {
    freeze(&app, &allow, Some(at.environment), why).await
}

/// Thaws an environment
#[utoipa::path(
    delete, path = "/api/v1/tenants/{tenant}/environments/{environment}/freeze", tag = "freezes",
    security(("token" = ["admin"])),
    responses((status = 200, description = "It is not frozen any more", body = Thawed))
)]
async fn thaw_environment(
    allow: Allow<Admin>,
    State(app): State<Arc<App>>,
    At(at): At<EnvironmentAt>,
) -> Answer {
    thaw(&app, &allow, Some(at.environment)).await
}

async fn freeze(app: &App, allow: &Allow<Admin>, environment: Option<EnvironmentName>, why: Why) -> Answer {
    let freeze = Freeze { environment, reason: reason(why.reason)?, by: allow.by(), at: app.clock.now_ms() };
    app.resources.freezes.freeze(allow.tenant(), freeze.clone()).await?;
    Ok(Json(Frozen::from(freeze)).into_response())
}

async fn thaw(app: &App, allow: &Allow<Admin>, environment: Option<EnvironmentName>) -> Answer {
    let thaw = Freeze { environment, reason: String::new(), by: allow.by(), at: app.clock.now_ms() };
    let thawed = app.resources.freezes.thaw(allow.tenant(), thaw).await?;
    app.reception.wake.scheduler.notify_one();
    Ok(Json(Thawed { thawed }).into_response())
}
