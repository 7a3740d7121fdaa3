//! Errors as problem details (RFC 9457), each with a code that `stageway explain` knows.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value as Json;
use stageway_conductor::driver::DriveError;
use stageway_core::diagnostic::{Code, Diagnostic, codes};
use stageway_ports::{BlobError, StoreError};
use utoipa::ToSchema;

/// The media type of problem details.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Problems of a pipeline file in one answer.
const MOST_PROBLEMS: usize = 100;

/// An error as it is answered.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
    detail: Option<String>,
    delivery: Option<String>,
    problems: Vec<Diagnostic>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Problem details of RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body {
    /// A short name of the problem.
    title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// `stageway explain CODE` prints its page.
    #[schema(value_type = String, pattern = "^SW[0-9]{4}$")]
    code: Code,
    /// What it is in this case.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// What to do about it.
    remedy: String,
    /// The stored delivery that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<String>,
    /// What is wrong with the pipeline file, each with `code`, `severity`, `message`, `place` and `remedy`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>, required = false)]
    problems: Vec<Json>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code) -> Self {
        Self { status, code, detail: None, delivery: None, problems: Vec::new(), headers: Vec::new() }
    }

    /// There is nothing at the address, or nothing that the asker may know of.
    pub(crate) fn not_there() -> Self {
        Self::new(StatusCode::NOT_FOUND, codes::NOT_THERE)
    }

    /// The server cannot do it now.
    pub(crate) fn busy() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, codes::SERVER_BUSY).after(5)
    }

    /// The request cannot be understood.
    pub(crate) fn not_understood(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, codes::NOT_UNDERSTOOD).because(detail)
    }

    /// What is asked for does not fit how things stand.
    pub(crate) fn stands_otherwise(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, codes::STANDS_OTHERWISE).because(detail)
    }

    /// What it is in this case.
    pub(crate) fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The stored delivery that it is about.
    pub(crate) fn of(mut self, delivery: impl Into<String>) -> Self {
        self.delivery = Some(delivery.into());
        self
    }

    /// What is wrong with the pipeline file; of very many the first ones.
    pub(crate) fn with_problems(mut self, problems: Vec<Diagnostic>) -> Self {
        self.problems = problems;
        self.problems.truncate(MOST_PROBLEMS);
        self
    }

    /// After how many seconds it may be tried again.
    pub(crate) fn after(self, seconds: u64) -> Self {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// With a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.retain(|(earlier, _)| *earlier != name);
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let page = self.code.page();
        let body = Body {
            title: page.map_or("unknown", |page| page.title).to_owned(),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail,
            remedy: page.map_or("", |page| page.remedy).to_owned(),
            delivery: self.delivery,
            problems: self.problems.iter().map(|problem| serde_json::json!(problem)).collect(),
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::not_there(),
            StoreError::Conflict(detail) => Self::stands_otherwise(detail),
            error => {
                tracing::error!(%error, "the store did not do what was asked");
                Self::busy()
            }
        }
    }
}

impl From<DriveError> for Problem {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Store(error) => error.into(),
            DriveError::Unknown(_) => Self::not_there(),
            error @ DriveError::Unreadable { .. } => {
                tracing::error!(%error, "a run cannot be read");
                Self::busy().because("the run was written by another version of the engine")
            }
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Missing(_) => Self::not_there(),
            error => {
                tracing::error!(%error, "a blob cannot be read");
                Self::busy()
            }
        }
    }
}
