//! `GET …/repositories/{repository}/preflight`

use super::super::allow::{Allow, Run as MayRun};
use super::super::extract::At;
use super::super::{Answer, Routes};
use super::start::{FILE_BYTES, FILES, TREE_BYTES};
use super::{RepositoryAt, files_of};
use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use serde::Serialize;
use stageway_ports::RunFilter;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The newest runs of the tenant among which one of the repository is looked for.
const LOOKED_AT: u32 = 50;

/// What need not be sent.
#[derive(Serialize, ToSchema)]
struct Known {
    /// The run whose files they are; a pack that leaves them out names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// Digests of the files, each once.
    files: Vec<String>,
    /// How much is taken.
    limits: Taken,
}

/// How much of a tree is taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
struct Taken {
    /// Files, links and empty folders.
    files: u64,
    /// Bytes of all files.
    bytes: u64,
    /// Bytes of a file that is sent.
    file_bytes: u64,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(known))
}

/// Files of the repository that a preflight need not send
///
/// Those of its newest run, if there is one among the newest 50 of the tenant.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/repositories/{repository}/preflight", tag = "preflight",
    security(("token" = ["run"])),
    responses((status = 200, description = "The files", body = Known))
)]
async fn known(allow: Allow<MayRun>, State(app): State<Arc<App>>, At(at): At<RepositoryAt>) -> Answer {
    let tenant = allow.tenant();
    app.site.place(tenant, &at.repository).ok_or_else(Problem::not_there)?;
    let filter = RunFilter { max: LOOKED_AT, ..RunFilter::default() };
    let limits = || Taken { files: FILES as u64, bytes: TREE_BYTES, file_bytes: FILE_BYTES };
    for run in app.store().runs(tenant, &filter).await? {
        if let Some(files) = files_of(&app, tenant, &at.repository, &run.id).await? {
            let files = files.keys().map(ToString::to_string).collect();
            return Ok(Json(Known { run: Some(run.id.to_string()), files, limits: limits() }).into_response());
        }
    }
    Ok(Json(Known { run: None, files: Vec::new(), limits: limits() }).into_response())
}
