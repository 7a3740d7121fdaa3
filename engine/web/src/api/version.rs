//! `GET /api/v1/version`

use super::Routes;
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Which server this is.
#[derive(Serialize, ToSchema)]
struct Version {
    /// Of the engine.
    version: &'static str,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(version))
}

/// The version of the engine
///
/// For this no token is needed.
#[utoipa::path(get, path = "/api/v1/version", tag = "server", responses((status = 200, description = "The version", body = Version)))]
async fn version() -> Json<Version> {
    Json(Version { version: env!("CARGO_PKG_VERSION") })
}
