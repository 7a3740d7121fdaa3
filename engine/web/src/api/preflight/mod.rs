//! `…/repositories/{repository}/preflight`: a run of files that nobody pushed.
//!
//! Whoever sends them asks first what of them the server has (`known`), and sends a pack with the rest (`start`, `pack`).
//!
//! *Guarantees.* A file belongs to whoever sends its bytes: its digest alone gives nobody a file, but for those that the tenant has
//! already in the run that `known` names. A pack is read as it comes; of its files at most one is in memory. What a pack brought is
//! kept when it breaks off, and is no run.

mod known;
mod pack;
mod room;
mod start;

pub(crate) use room::Uploads;

use super::Routes;
use crate::app::App;
use crate::problem::Problem;
use serde::Deserialize;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::name::{RepositoryId, RunId, TenantId};
use stageway_core::run::RunEvent;
use stageway_core::workspace::{Node, Tree};
use stageway_ports::{BlobError, read_tree};
use std::collections::BTreeMap;
use utoipa_axum::router::OpenApiRouter;

/// A repository of a tenant.
#[derive(Deserialize)]
struct RepositoryAt {
    repository: RepositoryId,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().merge(known::routes())
}

/// Routes that wait.
pub(super) fn waiting() -> Routes {
    start::routes()
}

/// The files of a tree, each once.
fn contents(tree: &Tree) -> BTreeMap<Digest, u64> {
    let of = |node: &Node| match node {
        Node::File { content: Content { digest, size }, .. } => Some((*digest, *size)),
        Node::Link { .. } | Node::Folder => None,
    };
    tree.iter().filter_map(|(_, node)| of(node)).collect()
}

/// The files of a run of the repository, if the tenant has such a run and its tree is still there.
async fn files_of(
    app: &App,
    tenant: &TenantId,
    repository: &RepositoryId,
    run: &RunId,
) -> Result<Option<BTreeMap<Digest, u64>>, Problem> {
    let origin = app.inbox.origin(tenant, run).await?;
    if origin.is_none_or(|origin| origin.key.repository != *repository) {
        return Ok(None);
    }
    let record = app.store().run(tenant, run).await?;
    let tree = record.into_iter().flat_map(|record| record.events).find_map(|event| match event {
        RunEvent::Created { tree, .. } => Some(tree),
        _ => None,
    });
    let Some(tree) = tree else { return Ok(None) };
    match read_tree(&*app.resources.blobs, &tree).await {
        Ok(tree) => Ok(Some(contents(&tree))),
        Err(BlobError::Missing(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
