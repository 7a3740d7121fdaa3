use super::Class;
use super::value::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// HTTP to the hosts that are granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Http {
    /// Answers `Response`.
    Send(Request),
}

/// A finished request. Secrets stand in it as placeholders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Request {
    /// In upper case as given; what is no token is refused by `send`.
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Name and value in order.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Bytes,
    /// Where values of secrets go in.
    pub secrets: Vec<Splice>,
    /// "timeout-ms", "response-bytes", "redirects".
    pub limits: BTreeMap<String, u32>,
    /// The receiver takes repetitions with one Idempotency-Key for one.
    pub repeatable: bool,
}

/// A secret that the host puts in the place of a placeholder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Splice {
    /// The text that stands for the value.
    pub placeholder: String,
    /// The secret's name.
    pub secret: String,
    /// raw, base64 or url; another word is refused by `send`.
    pub encoding: Encoding,
}

/// How a spliced value is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// As it is.
    Raw,
    /// Base64 with padding.
    Base64,
    /// Percent-encoded.
    Url,
    /// A word that is none of these.
    Unknown(String),
}

impl Request {
    /// GET and HEAD only read; `repeatable` ones are keyed; every other is sent at most once.
    pub fn class(&self) -> Class {
        match self.method.as_str() {
            "GET" | "HEAD" => Class::Read,
            _ if self.repeatable => Class::Keyed,
            _ => Class::Unkeyed,
        }
    }
}
