//! Requests to other services. Grant `http`: by host and port.
//!
//! Every resolved address is checked, and the address that was checked is dialled; redirects are checked again.

use crate::HostError;
use crate::bindings::stageway::host::http as raw;
use crate::secrets::Secret;
use crate::span::Span;

/// A request, built without effect; what is wrong with it is said by [`send`](Self::send).
pub struct Request(raw::Request);

/// How a secret is written where it is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Raw,
    /// In base64.
    Base64,
    /// Percent-encoded.
    Url,
}

impl Request {
    /// A request with any method.
    pub fn new(method: &str, url: &str) -> Self {
        Self(raw::Request::new(method, url))
    }

    /// A GET request.
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    /// A POST request with a JSON body.
    pub fn post_json(url: &str, json: &str) -> Self {
        Self::new("POST", url).header("content-type", "application/json").body(json.as_bytes())
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        self.0.header(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, bytes: &[u8]) -> Self {
        self.0.body(bytes);
        self
    }

    /// Puts the secret in the place of `placeholder` in path, query, headers or body, never in the host.
    #[must_use]
    pub fn secret(self, placeholder: &str, value: &Secret, encoding: Encoding) -> Self {
        let encoding = match encoding {
            Encoding::Raw => "raw",
            Encoding::Base64 => "base64",
            Encoding::Url => "url",
        };
        self.0.secret(placeholder, value, encoding);
        self
    }

    /// Gives up after this time.
    #[must_use]
    pub fn timeout(self, within: Span) -> Self {
        self.0.limit("timeout-ms", within.as_millis());
        self
    }

    /// Takes at most so many bytes of response.
    #[must_use]
    pub fn response_bytes(self, bytes: u32) -> Self {
        self.0.limit("response-bytes", bytes);
        self
    }

    /// Follows at most so many redirects.
    #[must_use]
    pub fn redirects(self, count: u32) -> Self {
        self.0.limit("redirects", count);
        self
    }

    /// Says that the receiver takes repetitions with one Idempotency-Key for one, so that the host may repeat it.
    #[must_use]
    pub fn repeatable(self) -> Self {
        self.0.repeatable();
        self
    }

    /// Sends it: at most once, unless it is GET, HEAD or repeatable.
    ///
    /// # Errors
    /// `InDoubt` when it may or may not have been sent; `Denied`, `InvalidArgument`, `TimedOut`, `Unavailable`.
    pub fn send(self) -> Result<Response, HostError> {
        raw::send(self.0).map(Response)
    }
}

/// What the other side answered, whatever its status.
pub struct Response(raw::Response);

impl Response {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.0.status()
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The values of a header, in order.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.0.header(name)
    }

    /// The body, if it is at most `limit` bytes.
    ///
    /// # Errors
    /// `LimitExceeded` when there is more.
    pub fn body(&self, limit: usize) -> Result<Vec<u8>, HostError> {
        let mut all = Vec::new();
        loop {
            let piece = self.0.read(256 * 1024)?;
            if piece.is_empty() {
                return Ok(all);
            }
            if all.len() + piece.len() > limit {
                return Err(HostError::LimitExceeded(format!("the response is longer than {limit} bytes")));
            }
            all.extend_from_slice(&piece);
        }
    }
}
