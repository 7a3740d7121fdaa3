use super::mask::Mask;
use super::{Attempt, Halt, Outcome, invalid};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use stageway_core::call::{Encoding, HostError, Http, Request, Response, Value};
use stageway_ports::{Egress, HttpError, HttpRequest, SecretError};
use url::Url;

const TIMEOUT_MS: u32 = 30_000;
const RESPONSE_BYTES: u32 = 4 << 20;
const MOST_RESPONSE_BYTES: u32 = 64 << 20;

impl Attempt {
    /// Checks the shape of a request and every grant it needs; nothing is sent.
    pub(super) fn prepare_http(&self, call: &Http) -> Result<Json, Halt> {
        let Http::Send(request) = call;
        let (host, port) = destination(&request.url)?;
        self.subject.grants.allows_http(&host, port)?;
        if request.method.is_empty() || !request.method.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(invalid("a method is written in upper-case letters"));
        }
        for splice in &request.secrets {
            self.subject.grants.allows_secret_in_request(&splice.secret, &host, port)?;
            if splice.placeholder.len() < 3 {
                return Err(invalid("a placeholder has at least 3 bytes"));
            }
            if host.contains(&splice.placeholder) {
                return Err(invalid("a secret never goes into the host"));
            }
            if let Encoding::Unknown(word) = &splice.encoding {
                return Err(invalid(format!("`{word}` is no encoding: raw, base64 or url is expected")));
            }
        }
        for name in request.limits.keys() {
            if !matches!(name.as_str(), "timeout-ms" | "response-bytes" | "redirects") {
                return Err(invalid(format!("`{name}` is no limit of a request")));
            }
        }
        Ok(Json::Null)
    }

    pub(super) async fn send(&mut self, seq: u32, call: &Http) -> Outcome {
        let Http::Send(request) = call;
        let (host, _) = destination(&request.url)?;
        let mut mask = Mask::default();
        let filled = self.fill(request, seq, &host, &mut mask).await?;
        let egress = Egress { hosts: self.granted_hosts() };
        let response = self.engine.http.send(filled, &egress).await.map_err(told)?;
        let headers = response.headers.into_iter().map(|(name, value)| (name, mask.text(&value))).collect();
        let body = self.engine.blobs.put(mask.bytes(&response.body)).await?;
        Ok(Value::Response(Response { status: response.status, headers, body }))
    }

    /// The request with every secret in its place.
    async fn fill(
        &mut self,
        request: &Request,
        seq: u32,
        host: &str,
        mask: &mut Mask,
    ) -> Result<HttpRequest, Halt> {
        let mut url = request.url.clone();
        let mut headers = request.headers.clone();
        let mut body = request.body.0.clone();
        for splice in &request.secrets {
            let value = self
                .engine
                .secrets
                .value(&self.subject.writer.tenant, &splice.secret)
                .await
                .map_err(unreadable)?;
            mask.add(value.expose());
            self.mask.add(value.expose());
            let text = encoded(value.expose(), &splice.encoding)?;
            url = url.replace(&splice.placeholder, &text);
            for (_, header) in &mut headers {
                *header = header.replace(&splice.placeholder, &text);
            }
            body = replaced(&body, splice.placeholder.as_bytes(), text.as_bytes());
        }
        if destination(&url)?.0 != host {
            return Err(invalid("a secret never goes into the host"));
        }
        let has_key = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("idempotency-key"));
        if request.repeatable && !has_key {
            headers.push(("idempotency-key".into(), self.subject.call_key(seq)));
        }
        let limit = |name: &str, default: u32, most: u32| {
            request.limits.get(name).copied().unwrap_or(default).min(most)
        };
        Ok(HttpRequest {
            method: request.method.clone(),
            url,
            headers,
            body,
            timeout_ms: u64::from(limit("timeout-ms", TIMEOUT_MS, 300_000)),
            response_bytes: u64::from(limit("response-bytes", RESPONSE_BYTES, MOST_RESPONSE_BYTES)),
            redirects: limit("redirects", 0, 10),
        })
    }

    fn granted_hosts(&self) -> Vec<String> {
        let hosts = self.subject.grants.http.iter().flat_map(|http| &http.hosts);
        hosts.map(ToString::to_string).collect()
    }
}

fn destination(url: &str) -> Result<(String, u16), Halt> {
    let parsed = Url::parse(url).map_err(|e| invalid(format!("the URL is not one: {e}")))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(invalid("the URL's scheme is neither http nor https"));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(invalid("a URL carries no user and no password: use a header with a secret"));
    }
    match (parsed.host_str(), parsed.port_or_known_default()) {
        (Some(host), Some(port)) => Ok((host.to_owned(), port)),
        _ => Err(invalid("the URL has no host")),
    }
}

fn encoded(value: &[u8], encoding: &Encoding) -> Result<String, Halt> {
    let text = || {
        String::from_utf8(value.trim_ascii_end().to_vec())
            .map_err(|_| invalid("a secret that is no text needs `base64`"))
    };
    match encoding {
        Encoding::Raw => text(),
        Encoding::Base64 => Ok(STANDARD.encode(value.trim_ascii_end())),
        Encoding::Url => Ok(url::form_urlencoded::byte_serialize(text()?.as_bytes())
            .collect::<String>()
            .replace('+', "%20")),
        Encoding::Unknown(word) => Err(invalid(format!("`{word}` is no encoding"))),
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}

pub(super) fn unreadable(error: SecretError) -> Halt {
    let text = error.to_string();
    Halt::Tell(match error {
        SecretError::Unknown(_) => HostError::NotFound(text),
        SecretError::Unreadable { .. } => HostError::Unavailable(text),
    })
}

fn told(error: HttpError) -> Halt {
    let text = error.to_string();
    Halt::Tell(match error {
        HttpError::Invalid(_) => HostError::InvalidArgument(text),
        HttpError::Denied(_) => HostError::Denied(text),
        HttpError::TooLarge(_) => HostError::LimitExceeded(text),
        HttpError::TimedOut => HostError::TimedOut,
        HttpError::NotSent(_) | HttpError::Broken(_) => HostError::Unavailable(text),
    })
}
