use async_trait::async_trait;
use thiserror::Error;

/// A request with every secret in place: its `Debug` shows method and host only.
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// For the whole exchange, in milliseconds.
    pub timeout_ms: u64,
    /// At most this many bytes of body are taken; more is an error.
    pub response_bytes: u64,
    /// Redirects followed, each checked like the first.
    pub redirects: u32,
}

/// A response, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// 100 to 599.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Which hosts may be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Egress {
    /// `host:port` that the attempt is granted; `*.` in front takes subdomains.
    pub hosts: Vec<String>,
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpError {
    /// The request itself is not well-formed.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// A name or address is not allowed; nothing was sent to it.
    #[error("not allowed: {0}")]
    Denied(String),
    /// The body was larger than the limit.
    #[error("the response has more than {0} bytes")]
    TooLarge(u64),
    /// No answer in time. The request may have been received.
    #[error("timed out")]
    TimedOut,
    /// It surely was not sent: the connection could not be made.
    #[error("cannot connect: {0}")]
    NotSent(String),
    /// The connection broke. The request may have been received.
    #[error("the connection broke: {0}")]
    Broken(String),
}

/// A plugin's requests to the outside, with the egress rules.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one request. The address that was checked is the one dialled.
    async fn send(&self, request: HttpRequest, egress: &Egress) -> Result<HttpResponse, HttpError>;
}

impl std::fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} with {} headers and {} bytes", self.method, self.headers.len(), self.body.len())
    }
}
