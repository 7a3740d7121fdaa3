//! `…/runs/{run}/artifacts`

use super::super::extract::At;
use super::super::look::Look;
use super::super::{Answer, Routes, range};
use super::name::{RunAt, RunName};
use super::stage::Artifact;
use crate::app::App;
use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use stageway_core::digest::Digest;
use stageway_core::run::{Ended, RunState};
use stageway_core::task::Collected;
use stageway_core::workspace::Node;
use stageway_ports::{BlobError, Blobs, read_tree};
use std::ops::Range;
use std::sync::Arc;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Bytes of a blob in memory.
const PIECE: u64 = 256 << 10;

/// An artifact of a run.
#[derive(Serialize, ToSchema)]
struct Listed {
    /// The stage that left it.
    stage: String,
    /// Its name there.
    name: String,
    /// What it is.
    #[serde(flatten)]
    artifact: Artifact,
}

/// The address of some bytes.
#[derive(Deserialize)]
struct BytesAt {
    run: RunName,
    digest: Digest,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(download))
}

fn artifacts(state: &RunState) -> impl Iterator<Item = (String, &String, &Collected)> {
    state.stages.iter().flat_map(|(stage, of)| {
        let artifacts = of.ended().and_then(Ended::artifacts).into_iter().flatten();
        artifacts.map(move |(name, collected)| (stage.to_string(), name, collected))
    })
}

/// What the stages of a run left
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/artifacts", tag = "runs", security(("token" = ["read"])),
    responses((status = 200, description = "By stage and name", body = Vec<Listed>))
)]
async fn list(look: Look, State(app): State<Arc<App>>, At(at): At<RunAt>) -> Answer {
    let (_, loaded) = at.run.load(&app, look.tenant()).await?;
    let listed = artifacts(&loaded.state).map(|(stage, name, collected)| Listed {
        stage,
        name: name.clone(),
        artifact: collected.into(),
    });
    Ok(look.json(listed.collect::<Vec<_>>()))
}

/// The bytes of an artifact
///
/// Of a file its bytes, of a tree its canonical list, or a file within a tree by the digest that the list has for it. Parts can be
/// asked for with `Range`.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/artifacts/{digest}", tag = "runs", security(("token" = ["read"])),
    responses(
        (status = 200, description = "All of it", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, description = "The part that was asked for", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 416, description = "It ends before that", body = crate::problem::Body, content_type = "application/problem+json")
    )
)]
async fn download(
    look: Look,
    State(app): State<Arc<App>>,
    At(at): At<BytesAt>,
    headers: HeaderMap,
) -> Answer {
    let (_, loaded) = at.run.load(&app, look.tenant()).await?;
    let blobs = app.resources.blobs.clone();
    if !reaches(&*blobs, &loaded.state, &at.digest).await? {
        return Err(Problem::not_there());
    }
    let size = blobs.size(&at.digest).await?.ok_or_else(Problem::not_there)?;
    let part = range::asked(&headers, size)?;
    Ok(look.tagged(sent(blobs, at.digest, size, part)))
}

/// Whether the bytes are of an artifact of the run, or of a file in one.
async fn reaches(blobs: &dyn Blobs, state: &RunState, wanted: &Digest) -> Result<bool, Problem> {
    if artifacts(state).any(|(_, _, collected)| collected.digest() == *wanted) {
        return Ok(true);
    }
    for (_, _, collected) in artifacts(state) {
        if let Collected::Tree { digest, .. } = collected
            && read_tree(blobs, digest).await?.iter().any(|(_, node)| is(node, wanted))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is(node: &Node, wanted: &Digest) -> bool {
    matches!(node, Node::File { content, .. } if content.digest == *wanted)
}

fn sent(blobs: Arc<dyn Blobs>, digest: Digest, size: u64, part: Option<Range<u64>>) -> Response {
    let whole = part.is_none();
    let range = part.unwrap_or(0..size);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if !whole {
        headers.insert(header::CONTENT_RANGE, range::described(&range, size));
    }
    let status = if whole { StatusCode::OK } else { StatusCode::PARTIAL_CONTENT };
    (status, headers, Body::from_stream(pieces(blobs, digest, range))).into_response()
}

/// The bytes as they are wanted; a blob that breaks off breaks the answer off.
fn pieces(
    blobs: Arc<dyn Blobs>,
    digest: Digest,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, BlobError>> {
    stream::try_unfold((blobs, range), move |(blobs, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let most = u32::try_from((range.end - range.start).min(PIECE)).unwrap_or(u32::MAX);
        let bytes = blobs.read(&digest, range.start, most).await?;
        if bytes.is_empty() {
            return Err(BlobError::Storage(format!("blob {digest} ends early")));
        }
        let next = range.start + bytes.len() as u64..range.end;
        Ok(Some((Bytes::from(bytes), (blobs, next))))
    })
}
