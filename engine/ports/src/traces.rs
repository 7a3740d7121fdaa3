use async_trait::async_trait;
use stageway_core::trace::Span;
use thiserror::Error;

/// Why spans were not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TracesError {
    /// They may be sent again later.
    #[error("the receiver of traces cannot be reached: {0}")]
    Unavailable(String),
    /// Sending the same again is of no use.
    #[error("the receiver of traces refuses them: {0}")]
    Refused(String),
}

/// Where traces go. Spans that were sent twice have the same ids, so the receiver can tell.
#[async_trait]
pub trait Traces: Send + Sync {
    /// Sends spans, all or none.
    ///
    /// # Errors
    /// [`TracesError`]
    async fn export(&self, spans: &[Span]) -> Result<(), TracesError>;
}
