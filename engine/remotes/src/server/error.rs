use stageway_core::diagnostic::Diagnostic;
use stageway_ports::StoreError;
use thiserror::Error;

/// Why a server did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ServerError {
    /// Its address is none, or one to which a token is not sent.
    #[error("`{url}` is no address of a server: {problem}")]
    Address {
        /// What was given.
        url: String,
        /// Why not.
        problem: String,
    },
    /// Nobody answered.
    #[error("{url} does not answer: {problem}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        problem: String,
    },
    /// It said no.
    #[error("the server says no ({code}): {detail}")]
    Problem {
        /// The status of the answer.
        status: u16,
        /// Such as SW0811.
        code: String,
        /// What is wrong.
        detail: String,
        /// What to do about it.
        remedy: String,
        /// What is wrong with the pipeline file that it is about.
        problems: Vec<Diagnostic>,
    },
    /// It answered something that this engine does not understand.
    #[error("{url} answered what is not understood: {problem}")]
    Strange {
        /// The server.
        url: String,
        /// What.
        problem: String,
    },
}

impl From<ServerError> for StoreError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Problem { status: 404, detail, .. } => Self::NotFound(detail),
            ServerError::Problem { status: 409, detail, .. } => Self::Conflict(detail),
            other => Self::Storage(other.to_string()),
        }
    }
}
