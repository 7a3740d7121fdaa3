use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use stageway_ports::{HttpError, HttpRequest};

/// A URL has at most this many bytes, as most servers have it.
const MAX_URL: usize = 16 << 10;
const MAX_HEADERS: usize = 100;
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Headers that belong to the connection, or that say to whom it goes.
const OURS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that is well-formed.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
}

impl Checked {
    /// Checks what is not about where it goes. No error repeats a value: it may hold a secret.
    pub(super) fn new(request: &mut HttpRequest) -> Result<Self, HttpError> {
        let invalid = |problem: &str| HttpError::Invalid(problem.to_owned());
        let method =
            Method::from_bytes(request.method.as_bytes()).map_err(|_| invalid("the method is no token"))?;
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return Err(invalid("the methods CONNECT and TRACE are not sent"));
        }
        if request.url.len() > MAX_URL {
            return Err(invalid("the URL has more than 16 KiB"));
        }
        let url =
            Url::parse(&request.url).map_err(|error| HttpError::Invalid(format!("the URL: {error}")))?;
        check_url(&url)?;
        let headers = headers(&request.headers)?;
        Ok(Self { method, url, headers, body: std::mem::take(&mut request.body).into() })
    }
}

/// The rules that a redirect's target must keep as well.
pub(super) fn check_url(url: &Url) -> Result<(), HttpError> {
    let invalid = |problem: &str| Err(HttpError::Invalid(problem.to_owned()));
    match url {
        url if !matches!(url.scheme(), "http" | "https") => invalid("the URL is neither http nor https"),
        url if !url.has_host() => invalid("the URL has no host"),
        url if !url.username().is_empty() || url.password().is_some() => {
            invalid("the URL holds a user; use a header with a secret instead")
        }
        _ => Ok(()),
    }
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, HttpError> {
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if given.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(HttpError::Invalid(
            "there are more than 100 headers, or more than 64 KiB of them".into(),
        ));
    }
    let mut headers = HeaderMap::with_capacity(given.len());
    for (index, (name, value)) in given.iter().enumerate() {
        let invalid = |problem: &str| HttpError::Invalid(format!("header {}: {problem}", index + 1));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("its name is no token"))?;
        if OURS.contains(&name.as_str()) {
            return Err(invalid(&format!("`{name}` is set by the host alone")));
        }
        let mut value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| invalid("its value has control characters"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
        HttpRequest {
            method: method.into(),
            url: url.into(),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Vec::new(),
            timeout_ms: 1000,
            response_bytes: 1000,
            redirects: 0,
        }
    }

    #[test]
    fn what_is_malformed_is_refused_without_its_values() {
        let long = format!("https://a.example/{}", "x".repeat(MAX_URL));
        let cases = [
            request("GE T", "https://a.example", &[]),
            request("CONNECT", "https://a.example", &[]),
            request("GET", "ftp://a.example", &[]),
            request("GET", "a.example", &[]),
            request("GET", "https://", &[]),
            request("GET", "https://s3cret@a.example", &[]),
            request("GET", "https://a:s3cret@a.example", &[]),
            request("GET", &long, &[]),
            request("GET", "https://a.example", &[("a b", "c")]),
            request("GET", "https://a.example", &[("a", "s3cret\r\nb: c")]),
            request("GET", "https://a.example", &[("Host", "b.example")]),
            request("GET", "https://a.example", &[("transfer-encoding", "chunked")]),
            request("GET", "https://a.example", &[("a", "b"); 101]),
        ];
        for mut case in cases {
            let shown = format!("{} {}", case.method, &case.url[..case.url.len().min(40)]);
            match Checked::new(&mut case) {
                Err(HttpError::Invalid(text)) => assert!(!text.contains("s3cret"), "{text}"),
                other => panic!("{shown}: {:?}", other.map(|_| ())),
            }
        }
        assert!(Checked::new(&mut request("PATCH", "https://a.example/?q#f", &[("a", "b")])).is_ok());
    }
}
