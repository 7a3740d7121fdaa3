//! `GET …/runs/{run}/logs/text`

use super::super::super::extract::{Ask, At};
use super::super::super::look::Look;
use super::super::super::{Answer, Routes, page, range};
use super::super::name::RunAt;
use super::{in_words, run_of};
use crate::app::App;
use crate::problem::Problem;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::Deserialize;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_ports::StoreError;
use std::ops::Range;
use std::sync::Arc;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only of this stage; else every line begins with its stage.
    #[param(value_type = Option<String>, pattern = "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
    stage: Option<StageName>,
    /// Also what a restart of the engine struck out.
    #[serde(default)]
    #[param(required = false)]
    struck: bool,
}

/// A log that is read page by page.
struct Log {
    app: Arc<App>,
    tenant: TenantId,
    run: RunId,
    wanted: Wanted,
}

impl Log {
    /// The text of the lines after a number, and the number of the last; none behind the end.
    async fn page(&self, after: u64) -> Result<Option<(String, u64)>, StoreError> {
        let stage = self.wanted.stage.as_ref();
        let lines = self.app.store().lines(&self.tenant, &self.run, stage, after, page::MOST).await?;
        let Some(last) = lines.last().map(|line| line.number) else { return Ok(None) };
        let shown = lines.iter().filter(|line| self.wanted.struck || !line.struck);
        Ok(Some((shown.map(|line| in_words(line, stage.is_none())).collect(), last)))
    }

    /// Bytes of the whole text.
    async fn length(&self) -> Result<u64, StoreError> {
        let (mut length, mut after) = (0, 0);
        while let Some((text, last)) = self.page(after).await? {
            length += text.len() as u64;
            after = last;
        }
        Ok(length)
    }

    /// A part of the text, or all of it.
    fn bytes(self, part: Range<u64>) -> impl Stream<Item = Result<Bytes, StoreError>> {
        stream::try_unfold((self, 0_u64, 0_u64), move |(log, after, at)| {
            let part = part.clone();
            async move {
                if at >= part.end {
                    return Ok(None);
                }
                let Some((text, last)) = log.page(after).await? else { return Ok(None) };
                let end = at + text.len() as u64;
                let from = usize::try_from(part.start.clamp(at, end) - at).unwrap_or(usize::MAX);
                let to = usize::try_from(part.end.clamp(at, end) - at).unwrap_or(usize::MAX);
                let bytes = Bytes::from(text).slice(from..to);
                Ok(Some((bytes, (log, last, end))))
            }
        })
    }
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(text))
}

/// The log of a run as text
///
/// Once the run has ended, parts can be asked for with `Range`.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/runs/{run}/logs/text", tag = "logs", security(("token" = ["read"])),
    params(Wanted),
    responses(
        (status = 200, description = "All of it", body = String, content_type = "text/plain"),
        (status = 206, description = "The part that was asked for", body = String, content_type = "text/plain"),
        (status = 416, description = "It ends before that", body = crate::problem::Body, content_type = "application/problem+json")
    )
)]
async fn text(
    look: Look,
    State(app): State<Arc<App>>,
    At(at): At<RunAt>,
    Ask(wanted): Ask<Wanted>,
    headers: HeaderMap,
) -> Answer {
    let tenant = look.tenant().clone();
    let (run, _) = run_of(&app, &tenant, &at.run, wanted.stage.as_ref()).await?;
    let ended = at.run.find(&app, &tenant).await?.status.is_final();
    let log = Log { app, tenant, run, wanted };
    if !ended || !headers.contains_key(header::RANGE) {
        return Ok(look.tagged(whole(log, ended)));
    }
    let length = log.length().await.map_err(Problem::from)?;
    match range::asked(&headers, length)? {
        Some(part) => Ok(look.tagged(partial(log, &part, length))),
        None => Ok(look.tagged(whole(log, ended))),
    }
}

fn whole(log: Log, ended: bool) -> Response {
    let mut answer = sent(StatusCode::OK, log, 0..u64::MAX);
    if ended {
        answer.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    answer
}

fn partial(log: Log, part: &Range<u64>, length: u64) -> Response {
    let mut answer = sent(StatusCode::PARTIAL_CONTENT, log, part.clone());
    answer.headers_mut().insert(header::CONTENT_RANGE, range::described(part, length));
    answer
}

fn sent(status: StatusCode, log: Log, part: Range<u64>) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Body::from_stream(log.bytes(part)))
        .into_response()
}
