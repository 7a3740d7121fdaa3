//! `POST …/repositories/{repository}/preflight`

use super::super::allow::{Allow, Run as MayRun};
use super::super::extract::At;
use super::super::runs::{Begun, Run, wanted};
use super::super::{Answer, Routes};
use super::pack::{Pack, broken, too_large};
use super::{RepositoryAt, contents, files_of};
use crate::app::App;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::Value as JsonValue;
use stageway_core::delivery::{Occasion, Preflight, Reference, Revision};
use stageway_core::diagnostic::codes;
use stageway_core::digest::Digest;
use stageway_core::event::MAX_TEXT;
use stageway_core::name::{PipelineName, RepositoryId, RunId, TenantId};
use stageway_core::workspace::Tree;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// What a pack is called.
const MEDIA_TYPE: &str = "application/octet-stream";
/// The first line, which holds a commit's message and parameters.
const WANTED_BYTES: usize = 256 << 10;
/// The list of a tree.
const LIST_BYTES: usize = 32 << 20;
/// Files, links and empty folders of a tree.
pub(super) const FILES: usize = 100_000;
/// Bytes of all files of a tree.
pub(super) const TREE_BYTES: u64 = 1 << 30;
/// Bytes of a file that is sent.
pub(super) const FILE_BYTES: u64 = 64 << 20;
/// The lines between the files, and what is around them.
const FRAME_BYTES: u64 = 64 << 20;

/// What is to be run: the first line of a pack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Bytes of the list that follows.
    list: usize,
    /// The run whose files are left out.
    #[serde(default)]
    known: Option<RunId>,
    /// One of the pipelines of the files; the only one if nothing is said.
    #[serde(default)]
    pipeline: Option<PipelineName>,
    /// The branch that the files are of.
    branch: String,
    /// The branch that they are to enter; the default branch if nothing is said.
    #[serde(default)]
    target: Option<String>,
    /// The newest commit of theirs that may have been pushed.
    #[serde(default)]
    base: Option<Revision>,
    /// The message of the newest commit; the title is its first line.
    #[serde(default)]
    message: Option<String>,
    /// By the names that the pipeline declares.
    #[serde(default)]
    parameters: BTreeMap<String, JsonValue>,
}

/// A pack, as its bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "the description alone speaks of it: a pack is read as it comes")]
struct PackBytes(Vec<u8>);

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(start))
}

/// Runs files that nobody pushed
///
/// The body is a pack. It begins with one line of JSON: `list` (bytes of the list that follows) and `branch`, and where they are said
/// `known` (the run whose files are left out), `target`, `pipeline`, `base` (the newest commit that may have been pushed), `message`
/// and `parameters`. Then come the canonical list of the tree (a JSON array a line, in order of path: `[PATH, "file" or "executable",
/// HEX, SIZE]`, `[PATH, "link", TARGET]`, `[PATH, "folder"]`) and each file that is not among those of the known run: a line
/// `sha256:HEX SIZE` and its bytes. The run is what a pull request of a member would be, and enters no environment; no forge is told
/// of it. At most 100,000 files of 1 GiB, none that is sent larger than 64 MiB.
#[utoipa::path(
    post, path = "/api/v1/tenants/{tenant}/repositories/{repository}/preflight", tag = "preflight",
    security(("token" = ["run"])),
    request_body(content = PackBytes, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "The run", body = Run),
        (status = 202, description = "It takes longer than an answer may", body = Begun)
    )
)]
async fn start(
    allow: Allow<MayRun>,
    State(app): State<Arc<App>>,
    At(at): At<RepositoryAt>,
    request: Request<Body>,
) -> Answer {
    let tenant = allow.tenant();
    let place = app.site.place(tenant, &at.repository).ok_or_else(Problem::not_there)?;
    if !is_pack(request.headers()) {
        let unsupported = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, codes::NOT_UNDERSTOOD);
        return Err(unsupported.because(format!("the body is `{MEDIA_TYPE}`")));
    }
    if app.is_stopping() {
        return Err(Problem::busy().because("the server is about to stop"));
    }
    let room = app.uploads.place(tenant);
    let room = room.ok_or_else(|| Problem::busy().because("others send their files just now"))?;
    let taken = taken(&app, tenant, &at.repository, request.into_body());
    let taken = tokio::time::timeout(app.limits.upload_time, taken).await;
    let (said, tree) = taken.unwrap_or_else(|_| Err(incomplete("the pack took too long")))?;
    drop(room);
    let default = || place.repository.default_branch.clone();
    let message = said.message.filter(|message| !message.trim().is_empty());
    let title = message.as_deref().and_then(|message| message.lines().next()).unwrap_or(&said.branch);
    let preflight = Preflight {
        tree,
        pipeline: said.pipeline,
        title: title.to_owned(),
        message,
        branch: said.branch,
        target: said.target.unwrap_or_else(default),
        base: said.base,
        parameters: said.parameters,
        by: allow.by(),
    };
    wanted(&app, tenant, &at.repository, Occasion::Preflight(Box::new(preflight))).await
}

fn is_pack(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.split(';').next().is_some_and(|given| given.trim().eq_ignore_ascii_case(MEDIA_TYPE))
}

fn incomplete(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, codes::BODY_INCOMPLETE).because(detail)
}

/// Reads a pack; answers what is wanted and the tree, with all of it in the blobs.
async fn taken(
    app: &App,
    tenant: &TenantId,
    repository: &RepositoryId,
    body: Body,
) -> Result<(Wanted, Digest), Problem> {
    let most = (WANTED_BYTES + LIST_BYTES) as u64 + TREE_BYTES + FRAME_BYTES;
    let mut pack = Pack::new(body, most, app.limits.body_time);
    let first = pack.line(WANTED_BYTES).await?.ok_or_else(|| broken("the pack is empty"))?;
    let said: Wanted = serde_json::from_slice(&first).map_err(|error| broken(error.to_string()))?;
    checked(&said)?;
    let tree = tree(&pack.bytes(said.list).await?)?;
    let known = match &said.known {
        None => BTreeMap::new(),
        Some(run) => files_of(app, tenant, repository, run).await?.ok_or_else(gone)?,
    };
    let mut missing = contents(&tree);
    let mut kept = Vec::new();
    missing.retain(|digest, size| {
        let has = known.get(digest) == Some(size);
        kept.extend(has.then_some(*digest));
        !has
    });
    for digest in kept {
        // What the tenant had once may have been cleared away.
        app.resources.blobs.size(&digest).await?.ok_or_else(gone)?;
    }
    files(app, &mut pack, missing).await?;
    let list = app.resources.blobs.put(tree.encode()).await?;
    Ok((said, list.digest))
}

fn gone() -> Problem {
    Problem::stands_otherwise("the run in `known` is none whose files may be left out: send all of them")
}

/// What the first line says, as far as it says anything about itself.
fn checked(said: &Wanted) -> Result<(), Problem> {
    if said.list > LIST_BYTES {
        return Err(too_large(format!("the list of a tree has at most {LIST_BYTES} bytes")));
    }
    Preflight::reference(&said.branch).map_err(|error| broken(format!("`branch`: {error}")))?;
    if let Some(target) = &said.target {
        Reference::of_branch(target).map_err(|error| broken(format!("`target`: {error}")))?;
    }
    if said.message.as_ref().is_some_and(|message| message.len() > MAX_TEXT) {
        return Err(broken(format!("`message` has more than {MAX_TEXT} bytes")));
    }
    Ok(())
}

fn tree(list: &[u8]) -> Result<Tree, Problem> {
    let tree = Tree::decode(list).map_err(|error| broken(error.to_string()))?;
    if tree.len() > FILES {
        return Err(too_large(format!("the tree has {} files; {FILES} are taken", tree.len())));
    }
    if tree.size() > TREE_BYTES {
        return Err(too_large(format!("the files have {} bytes; {TREE_BYTES} are taken", tree.size())));
    }
    Ok(tree)
}

/// Takes every file that is missing, each once, and nothing else.
async fn files(app: &App, pack: &mut Pack, mut missing: BTreeMap<Digest, u64>) -> Result<(), Problem> {
    while let Some(file) = pack.file().await? {
        if missing.remove(&file.digest) != Some(file.size) {
            return Err(broken(format!(
                "{} is none of the tree, or not of this size, or known",
                file.digest
            )));
        }
        if file.size > FILE_BYTES {
            return Err(too_large(format!("a file has {} bytes; {FILE_BYTES} are sent", file.size)));
        }
        let bytes = pack.bytes(usize::try_from(file.size).unwrap_or(usize::MAX)).await?;
        if Digest::of(&bytes) != file.digest {
            return Err(broken(format!("the bytes are not those of {}", file.digest)));
        }
        app.resources.blobs.put(bytes.into()).await?;
    }
    match missing.len() {
        0 => Ok(()),
        count => Err(broken(format!("{count} files of the tree were not sent"))),
    }
}
