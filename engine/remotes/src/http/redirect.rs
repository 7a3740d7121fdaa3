use super::request::{Checked, check_url};
use reqwest::header::{HeaderMap, HeaderName, LOCATION};
use reqwest::{Method, StatusCode, Url};
use stageway_ports::HttpError;

/// What may go to another origin: nothing that a secret could have been spliced into with sense.
const HARMLESS: [HeaderName; 3] = [
    HeaderName::from_static("accept"),
    HeaderName::from_static("accept-language"),
    HeaderName::from_static("user-agent"),
];

/// What follows a response.
pub(super) enum Next {
    /// It is the answer.
    Answer,
    /// Another request.
    Follow(Box<Checked>),
}

/// Decides whether a response is a redirect to follow, and with what.
///
/// # Errors
/// [`HttpError::Denied`] if it leads where nothing may be sent: to plain HTTP from TLS, or to no URL of ours.
pub(super) fn next(sent: &Checked, status: StatusCode, headers: &HeaderMap) -> Result<Next, HttpError> {
    let repeats = match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
        _ => return Ok(Next::Answer),
    };
    let Some(location) = headers.get(LOCATION).and_then(|value| value.to_str().ok()) else {
        return Ok(Next::Answer);
    };
    let denied = |problem: &str| HttpError::Denied(format!("a redirect {problem}"));
    let url = sent.url.join(location).map_err(|_| denied("to what is no URL"))?;
    check_url(&url).map_err(|_| denied("to what is no plain http or https URL"))?;
    if sent.url.scheme() == "https" && url.scheme() == "http" {
        return Err(denied("from https to http"));
    }
    let mut next = Checked { url, ..sent.clone() };
    if !repeats && !matches!(next.method, Method::GET | Method::HEAD) {
        next.method = Method::GET;
        next.body = bytes::Bytes::new();
        next.headers = without_body(next.headers);
    }
    if !same_origin(&sent.url, &next.url) {
        if !next.body.is_empty() {
            // The body may hold a secret for the first receiver: the caller sees the redirect and decides.
            return Ok(Next::Answer);
        }
        next.headers = harmless(&next.headers);
    }
    Ok(Next::Follow(Box::new(next)))
}

fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn harmless(headers: &HeaderMap) -> HeaderMap {
    let kept = headers.iter().filter(|(name, _)| HARMLESS.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Without the headers that describe a body.
fn without_body(mut headers: HeaderMap) -> HeaderMap {
    for name in ["content-type", "content-encoding", "content-language", "content-location"] {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_ports::HttpRequest;

    fn sent(method: &str, body: &[u8]) -> Checked {
        let headers =
            ["Authorization", "X-Key", "Accept", "Content-Type"].map(|n| (n.to_owned(), "x".to_owned()));
        let mut request = HttpRequest {
            method: method.into(),
            url: "https://a.example/x?key=1".into(),
            headers: headers.to_vec(),
            body: body.to_vec(),
            timeout_ms: 1,
            response_bytes: 1,
            redirects: 1,
        };
        Checked::new(&mut request).unwrap()
    }

    fn follow(sent: &Checked, status: u16, location: &str) -> Result<Option<Checked>, HttpError> {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        next(sent, StatusCode::from_u16(status).unwrap(), &headers).map(|next| match next {
            Next::Answer => None,
            Next::Follow(next) => Some(*next),
        })
    }

    #[test]
    fn the_same_origin_gets_everything_again() {
        let next = follow(&sent("POST", b"b"), 307, "/y").unwrap().unwrap();
        assert_eq!((next.method, next.url.as_str()), (Method::POST, "https://a.example/y"));
        assert_eq!((next.headers.len(), &next.body[..]), (4, &b"b"[..]));
        let next = follow(&sent("POST", b"b"), 303, "y").unwrap().unwrap();
        assert_eq!((next.method, next.body.len(), next.headers.len()), (Method::GET, 0, 3));
    }

    #[test]
    fn another_origin_gets_no_header_that_could_hold_a_secret_and_no_body() {
        for location in ["https://b.example/", "https://a.example:8443/", "//b.example"] {
            let next = follow(&sent("GET", b""), 302, location).unwrap().unwrap();
            assert_eq!(
                next.headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
                ["accept"],
                "{location}"
            );
            assert!(follow(&sent("POST", b"b"), 308, location).unwrap().is_none());
            let next = follow(&sent("POST", b"b"), 302, location).unwrap().unwrap();
            assert_eq!((next.method, next.body.len(), next.headers.len()), (Method::GET, 0, 1));
        }
    }

    #[test]
    fn where_nothing_may_go_is_denied_and_no_redirect_is_the_answer() {
        for location in
            ["http://a.example/", "ftp://a.example", "file:///etc/passwd", "https://u@b.example/", "https://"]
        {
            let answer = follow(&sent("GET", b""), 302, location).map(|_| ());
            assert!(matches!(answer, Err(HttpError::Denied(_))), "{location}: {answer:?}");
        }
        for status in [200, 300, 304, 404] {
            assert!(follow(&sent("GET", b""), status, "/y").unwrap().is_none());
        }
    }
}
