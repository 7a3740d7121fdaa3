//! What a request says, or a problem.

use crate::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use stageway_core::diagnostic::codes;
use stageway_core::log::push_shown;

/// The names in the address. What is no name is the name of nothing.
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(Path(names)) = Path::<T>::from_request_parts(parts, state).await else {
            return Err(Problem::not_there());
        };
        Ok(Self(names))
    }
}

/// The parameters after `?`.
pub(super) struct Ask<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(Problem::not_understood(rejection.body_text())),
        }
    }
}

/// The body, which is JSON.
pub(super) struct Said<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Said<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(said)) => Ok(Self(said)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &JsonRejection) -> Problem {
    let code = match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => codes::BODY_TOO_LARGE,
        _ => codes::NOT_UNDERSTOOD,
    };
    Problem::new(rejection.status(), code).because(rejection.body_text())
}

/// A reason has at most this many characters.
const REASON: usize = 1_000;

/// What a person gives for a reason: one line, with nothing in it that moves a terminal.
///
/// # Errors
/// When it is too long.
pub(super) fn reason(text: String) -> Result<String, Problem> {
    if text.chars().count() > REASON {
        return Err(Problem::not_understood(format!("`reason` has more than {REASON} characters")));
    }
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|character| push_shown(&mut shown, character));
    Ok(shown)
}
