//! Errors as problem details (RFC 9457), each with a code that `stageway explain` knows.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use stageway_core::diagnostic::Code;

/// An error as it is answered.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Code,
    detail: Option<String>,
    delivery: Option<String>,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    title: &'a str,
    status: u16,
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    remedy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'a str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code) -> Self {
        Self { status, code, detail: None, delivery: None, retry_after: None }
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

    /// After how many seconds it may be tried again.
    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let page = self.code.page();
        let body = Body {
            title: page.map_or("unknown", |page| page.title),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail.as_deref(),
            remedy: page.map_or("", |page| page.remedy),
            delivery: self.delivery.as_deref(),
        };
        let text = serde_json::to_string(&body).unwrap_or_default();
        let mut response = (self.status, text).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
