//! What is said when a request is refused: the problem details of RFC 9457, with a stable `code`.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, allow, typed_answer, view};
use crate::{
    book::{CancelError, Full},
    order::{Order, OrderId},
};

/// The most of a caller's own text that is repeated to them, in characters.
const QUOTE: usize = 64;
/// The most faults of one order that are told.
const FAULTS: usize = 16;

/// Why a request is refused. As an answer: `{"status", "code", "title", …}` as `application/problem+json`.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: String,
    more: Option<(&'static str, Value)>,
    allow: Option<String>,
}

/// One thing that is wrong with an order.
#[derive(Debug)]
pub(super) struct Fault {
    /// The field, as it was written.
    pub(super) field: String,
    /// What it must be.
    pub(super) reason: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self { status, code, title: title.into(), more: None, allow: None }
    }

    pub(super) fn no_such_address(path: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no-such-address", format!("there is nothing at {}", quote(path)))
    }

    pub(super) fn method_not_allowed(method: &Method, allowed: &[&str]) -> Self {
        let allowed = allowed.join(", ");
        let title = format!("{} is not possible here, only {allowed}", quote(method.as_str()));
        Self {
            allow: Some(allowed),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", title)
        }
    }

    pub(super) fn invalid_query(reason: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid-query", reason)
    }

    pub(super) fn invalid_order_id(text: &str) -> Self {
        let title = format!("an order's id is a whole number, not {}", quote(text));
        Self::new(StatusCode::BAD_REQUEST, "invalid-order-id", title)
    }

    pub(super) fn unknown_order(id: OrderId) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-order", CancelError::Unknown(id).to_string())
    }

    pub(super) fn order_closed(order: Order) -> Self {
        Self {
            more: Some(("order", view::order(&order))),
            ..Self::new(StatusCode::CONFLICT, "order-closed", CancelError::Closed(order).to_string())
        }
    }

    pub(super) fn malformed_json(error: &serde_json::Error) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed-json",
            format!("the body is not a JSON object: {error}"),
        )
    }

    pub(super) fn invalid_order(faults: &[Fault]) -> Self {
        let faults = faults
            .iter()
            .take(FAULTS)
            .map(|fault| json!({ "field": quote(&fault.field), "reason": fault.reason }));
        Self {
            more: Some(("faults", faults.collect())),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-order", "this is not an order")
        }
    }

    pub(super) fn body_too_large(most: usize) -> Self {
        let title = format!("the body is larger than {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", title)
    }

    pub(super) fn body_too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", "the body did not arrive in time")
    }

    pub(super) fn body_broken() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body-broken", "the body ended before it was complete")
    }

    /// The problem as an answer.
    pub(super) fn into_answer(self) -> Answer {
        let mut body = json!({ "status": self.status.as_u16(), "code": self.code, "title": self.title });
        if let Some((name, value)) = self.more {
            body[name] = value;
        }
        let answer = typed_answer(self.status, "application/problem+json", body.to_string());
        match self.allow {
            Some(methods) => allow(answer, &methods),
            None => answer,
        }
    }
}

impl From<Full> for Problem {
    fn from(full: Full) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "book-full", full.to_string())
    }
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown(id) => Self::unknown_order(id),
            CancelError::Closed(order) => Self::order_closed(order),
        }
    }
}

/// A caller's text, cut to what is worth repeating.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTE) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
