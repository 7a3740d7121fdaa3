//! Reads: what has not changed is not sent again.

use super::allow::{Allow, Read};
use crate::app::App;
use crate::problem::Problem;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use std::sync::Arc;
use std::time::Duration;

/// A read of a tenant's things by a token with the scope `read`.
pub(super) struct Look {
    allow: Allow<Read>,
    tag: HeaderValue,
}

/// Why there is nothing to read.
pub(super) enum Turned {
    /// The asker has it already.
    Same(HeaderValue),
    Problem(Problem),
}

impl IntoResponse for Turned {
    fn into_response(self) -> Response {
        match self {
            Self::Same(tag) => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response(),
            Self::Problem(problem) => problem.into_response(),
        }
    }
}

impl Look {
    pub(super) fn tenant(&self) -> &TenantId {
        self.allow.tenant()
    }

    /// An answer with the tag of this moment. What is read after the tag was made may be newer, never older: whoever comes with
    /// the tag again gets it again.
    pub(super) fn json(&self, body: impl Serialize) -> Response {
        ([(header::ETAG, self.tag.clone())], Json(body)).into_response()
    }

    /// The same with something else for a body.
    pub(super) fn tagged(&self, answer: impl IntoResponse) -> Response {
        ([(header::ETAG, self.tag.clone())], answer).into_response()
    }
}

impl FromRequestParts<Arc<App>> for Look {
    type Rejection = Turned;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Turned> {
        let allow = Allow::<Read>::from_request_parts(parts, app).await.map_err(Turned::Problem)?;
        let count = app.store().changed(allow.tenant(), 0, Duration::ZERO).await;
        // With the address in it, a tag that comes back was given for this very thing.
        let place = Digest::of(format!("{} {}", app.started, parts.uri).as_bytes()).short();
        let busy = |_| Turned::Problem(Problem::busy());
        let tag = HeaderValue::from_str(&format!("W/\"{place}-{count}\"")).map_err(busy)?;
        if has(&parts.headers, &tag) { Err(Turned::Same(tag)) } else { Ok(Self { allow, tag }) }
    }
}

/// Whether `If-None-Match` names the tag.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let opaque = |text: &str| text.trim().trim_start_matches("W/").to_owned();
    let wanted = opaque(tag.to_str().unwrap_or_default());
    given.flat_map(|value| value.split(',')).any(|one| opaque(one) == wanted)
}
