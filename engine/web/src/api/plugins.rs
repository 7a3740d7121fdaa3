//! `…/plugins`

use super::allow::{Allow, Read};
use super::{Answer, Routes};
use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use stageway_ports::ListedPlugin;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A plugin that pipelines may name.
#[derive(Serialize, ToSchema)]
struct Plugin {
    /// `NAMESPACE/NAME`.
    name: String,
    /// Its version.
    version: String,
    /// What it does, in a sentence.
    summary: String,
    /// sha256 of the component.
    digest: String,
    /// Interfaces that it imports.
    imports: Vec<String>,
}

impl From<ListedPlugin> for Plugin {
    fn from(listed: ListedPlugin) -> Self {
        Self {
            name: listed.name.to_string(),
            version: listed.version.to_string(),
            summary: listed.summary,
            digest: listed.digest.to_string(),
            imports: listed.imports,
        }
    }
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list))
}

/// The operator's plugins, which every tenant's pipelines may name
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/plugins", tag = "plugins", security(("token" = ["read"])),
    responses((status = 200, description = "By name and version", body = Vec<Plugin>))
)]
async fn list(_: Allow<Read>, State(app): State<Arc<App>>) -> Answer {
    let listed = app.resources.plugins.list().await.map_err(|error| {
        tracing::error!(%error, "the plugins cannot be listed");
        Problem::busy()
    })?;
    // Without a tag: what lies in the directories is no change of the tenant.
    Ok(Json(listed.into_iter().map(Plugin::from).collect::<Vec<_>>()).into_response())
}
