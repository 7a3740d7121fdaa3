use super::connect::InvalidConnection;
use crate::registry::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use stageway_core::delivery::cut;
use stageway_ports::{Egress, ForgeError, Http, HttpError, HttpRequest, HttpResponse, SecretValue};
use std::sync::Arc;
use url::Url;

/// A report may take this long.
const PATIENCE_MS: u64 = 20_000;
/// The answer to a report has at most this many bytes.
const MAX_ANSWER: u64 = 256 << 10;
/// Of a forge's own words so many bytes are told.
const MAX_WORDS: usize = 300;
/// Longer than this no forge makes us wait.
const MAX_WAIT_S: u64 = 24 * 3600;

/// The API of one forge.
pub(super) struct Api {
    base: Url,
    authorization: Option<SecretValue>,
    http: Arc<dyn Http>,
    egress: Egress,
}

impl Api {
    /// `scheme` stands before a token.
    pub(super) fn new(
        api: &str,
        scheme: &str,
        credentials: Credentials,
        http: Arc<dyn Http>,
    ) -> Result<Self, InvalidConnection> {
        let base =
            base(api).map_err(|problem| InvalidConnection::Api { api: cut(api, 200).to_owned(), problem })?;
        let authorization = match credentials {
            Credentials::Anonymous => None,
            Credentials::Token(token) => Some([scheme.as_bytes(), b" ", token.expose()].concat()),
            Credentials::Basic { username, password } => {
                let pair = SecretValue::new([username.as_bytes(), b":", password.expose()].concat());
                Some([b"Basic ", STANDARD.encode(pair.expose()).as_bytes()].concat())
            }
        };
        let authorization = authorization.map(SecretValue::new);
        let is_header = |value: &SecretValue| value.expose().iter().all(|b| matches!(b, b' '..=b'~'));
        if !authorization.as_ref().is_none_or(is_header) {
            return Err(InvalidConnection::Credentials);
        }
        let host = base.host_str().unwrap_or_default();
        let port = base.port_or_known_default().unwrap_or_default();
        let egress = Egress { hosts: vec![format!("{host}:{port}")] };
        Ok(Self { base, authorization, http, egress })
    }

    /// The address below the base; each segment stands between two slashes, whatever it holds.
    pub(super) fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Posts JSON and answers the response, whatever its status.
    pub(super) async fn post(&self, url: Url, accept: &str, body: &Json) -> Result<HttpResponse, ForgeError> {
        let mut headers =
            vec![("accept".to_owned(), accept.to_owned()), ("content-type".to_owned(), JSON.to_owned())];
        if let Some(value) = &self.authorization {
            headers.push(("authorization".into(), String::from_utf8_lossy(value.expose()).into_owned()));
        }
        let request = HttpRequest {
            method: "POST".into(),
            url: url.into(),
            headers,
            body: body.to_string().into_bytes(),
            timeout_ms: PATIENCE_MS,
            response_bytes: MAX_ANSWER,
            redirects: 2,
        };
        self.http.send(request, &self.egress).await.map_err(|error| match error {
            HttpError::Invalid(problem) => ForgeError::Invalid(problem),
            HttpError::Denied(problem) => ForgeError::Refused(problem),
            HttpError::TooLarge(_) | HttpError::TimedOut | HttpError::NotSent(_) | HttpError::Broken(_) => {
                ForgeError::Unavailable(error.to_string())
            }
        })
    }
}

pub(super) const JSON: &str = "application/json";

fn base(api: &str) -> Result<Url, String> {
    let url = Url::parse(api).map_err(|error| error.to_string())?;
    match &url {
        url if !matches!(url.scheme(), "http" | "https") => Err("it is neither http nor https".into()),
        url if !url.username().is_empty() || url.password().is_some() => {
            Err("it holds a user; credentials are given apart".into())
        }
        url if url.query().is_some() || url.fragment().is_some() => Err("it has a query or fragment".into()),
        _ => Ok(url),
    }
}

/// What an answer means, by what all forges agree on.
pub(super) fn verdict(response: &HttpResponse) -> Result<(), ForgeError> {
    let said = words(response);
    match response.status {
        200..300 => Ok(()),
        401 | 403 => Err(ForgeError::Refused(said)),
        404 | 410 => Err(ForgeError::NotFound(said)),
        429 => Err(ForgeError::Limited { problem: said, after_ms: retry_after(response) }),
        // Somebody else is writing the same thing at this moment.
        408 | 409 | 423 | 425 | 500.. => Err(ForgeError::Unavailable(said)),
        _ => Err(ForgeError::Invalid(said)),
    }
}

/// A text of at most `max` characters in one line; of a longer one the end is left out, and the last character says so.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let line: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.len() > max {
        true => line[..max - 1].iter().chain(&['…']).collect(),
        false => line.into_iter().collect(),
    }
}

/// A header of an answer.
pub(super) fn header<'a>(response: &'a HttpResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// `Retry-After` in seconds, as milliseconds.
pub(super) fn retry_after(response: &HttpResponse) -> Option<u64> {
    let seconds: u64 = header(response, "retry-after")?.trim().parse().ok()?;
    Some(seconds.min(MAX_WAIT_S) * 1000)
}

/// The status and the forge's own words, short and in one line.
pub(super) fn words(response: &HttpResponse) -> String {
    let body: Json = serde_json::from_slice(&response.body).unwrap_or_default();
    let places = ["/message", "/error/message", "/error", "/errors/0/message"];
    let said = places.iter().filter_map(|place| body.pointer(place)).find_map(|said| match said {
        Json::String(text) => Some(text.clone()),
        Json::Object(_) | Json::Array(_) => Some(said.to_string()),
        _ => None,
    });
    let said: String = said.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    format!("{} {}", response.status, cut(&said, MAX_WORDS)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        HttpResponse { status, headers: headers.collect(), body: body.as_bytes().to_vec() }
    }

    fn api(base: &str) -> Result<Api, InvalidConnection> {
        let http = Arc::new(stageway_ports::memory::MemoryHttp::default());
        Api::new(base, "Bearer", Credentials::Anonymous, http)
    }

    #[test]
    fn a_segment_stays_between_its_slashes() {
        let api = api("https://forge.example/sub/api/").unwrap();
        let url = api.url(["repos", "a/b", "größe?x#y", "status"]);
        assert_eq!(url.as_str(), "https://forge.example/sub/api/repos/a%2Fb/gr%C3%B6%C3%9Fe%3Fx%23y/status");
        assert_eq!(api.egress.hosts, ["forge.example:443"]);
    }

    #[test]
    fn what_is_no_address_is_told() {
        for bad in ["", "forge.example", "ftp://x/", "https://u:p@forge.example/", "https://forge.example/?a"]
        {
            assert!(matches!(api(bad), Err(InvalidConnection::Api { .. })), "{bad}");
        }
        let http = Arc::new(stageway_ports::memory::MemoryHttp::default());
        let token = Credentials::Token(SecretValue::new(b"a\r\nb: c".to_vec()));
        let made = Api::new("https://forge.example", "Bearer", token, http).map(|_| ());
        assert_eq!(made, Err(InvalidConnection::Credentials));
    }

    #[test]
    fn every_answer_has_a_verdict() {
        assert_eq!(verdict(&answer(201, &[], "{}")), Ok(()));
        let refused = verdict(&answer(403, &[], "{\"message\": \"no\\n right\"}"));
        assert_eq!(refused, Err(ForgeError::Refused("403 no right".into())));
        let limited = verdict(&answer(429, &[("retry-after", "7")], "<html>"));
        assert_eq!(limited, Err(ForgeError::Limited { problem: "429".into(), after_ms: Some(7000) }));
        let nested = verdict(&answer(422, &[], "{\"message\": {\"name\": [\"is too long\"]}}"));
        assert_eq!(nested, Err(ForgeError::Invalid("422 {\"name\":[\"is too long\"]}".into())));
        for (status, retried) in
            [(404, false), (400, false), (301, false), (409, true), (500, true), (503, true)]
        {
            let error = verdict(&answer(status, &[], "")).unwrap_err();
            assert_eq!(error.retry() != stageway_ports::Retry::Never, retried, "{status}");
        }
    }
}
