//! `…/repositories`

use super::extract::At;
use super::look::Look;
use super::{Answer, Routes};
use crate::app::App;
use crate::problem::Problem;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use stageway_conductor::service::Place;
use stageway_core::delivery::without_login;
use stageway_core::name::RepositoryId;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// A repository as the operator registered it, without credentials.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct Repository {
    /// What the operator calls it.
    id: String,
    /// The connection to its forge.
    forge: String,
    /// Its full name there.
    name: String,
    /// Where it is cloned from, without a login.
    clone: String,
    /// What new branches are compared with.
    default_branch: String,
    /// Patterns of branches and tags whose pushes are believed most.
    protected: Vec<String>,
    /// Whether its forge is told how runs stand.
    reports: bool,
}

/// A repository of a tenant.
#[derive(Deserialize)]
struct RepositoryAt {
    repository: RepositoryId,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

fn shown(id: &RepositoryId, place: &Place) -> Repository {
    let registered = &place.repository;
    Repository {
        id: id.to_string(),
        forge: registered.forge.clone(),
        name: registered.name.to_string(),
        clone: without_login(&registered.clone),
        default_branch: registered.default_branch.clone(),
        protected: registered.protected.iter().cloned().collect(),
        reports: place.reports,
    }
}

/// The repositories of a tenant
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/repositories", tag = "repositories", security(("token" = ["read"])),
    responses((status = 200, description = "By name", body = Vec<Repository>))
)]
async fn list(look: Look, State(app): State<Arc<App>>) -> Answer {
    let mine = app.site.repositories.iter().filter(|((tenant, _), _)| tenant == look.tenant());
    Ok(look.json(mine.map(|((_, id), place)| shown(id, place)).collect::<Vec<_>>()))
}

/// One repository
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/repositories/{repository}", tag = "repositories",
    security(("token" = ["read"])),
    responses((status = 200, description = "The repository", body = Repository))
)]
async fn show(look: Look, State(app): State<Arc<App>>, At(at): At<RepositoryAt>) -> Answer {
    let place = app.site.place(look.tenant(), &at.repository).ok_or_else(Problem::not_there)?;
    Ok(look.json(shown(&at.repository, place)))
}
