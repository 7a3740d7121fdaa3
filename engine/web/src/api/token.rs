//! `GET /api/v1/token`

use super::Routes;
use super::allow::holder;
use crate::app::App;
use crate::problem::Problem;
use crate::tokens::Identity;
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use serde::Serialize;
use stageway_core::operator::Scope;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What is known of the token that asks.
#[derive(Serialize, ToSchema)]
struct TokenShown {
    /// What the operator calls it.
    name: String,
    /// Whose things it is about.
    tenant: String,
    /// `read`, `run`, `approve` and `admin`.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// It is nothing from then on, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

/// Any token that is good.
struct Holder(Arc<Identity>);

impl FromRequestParts<Arc<App>> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        holder(parts, app).map(Self)
    }
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(token))
}

/// Whose the token is that asks, and what it may do
#[utoipa::path(
    get, path = "/api/v1/token", tag = "server", security(("token" = [])),
    responses((status = 200, description = "The token", body = TokenShown))
)]
async fn token(State(_): State<Arc<App>>, Holder(who): Holder) -> Json<TokenShown> {
    Json(TokenShown {
        name: who.name.to_string(),
        tenant: who.tenant().to_string(),
        scopes: who.scopes().iter().copied().collect(),
        expires: who.expires(),
    })
}
