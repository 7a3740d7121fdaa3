//! The head of a request to the proxy.

/// The longest head, in bytes, and the most headers in it.
pub(super) const HEAD: usize = 32 << 10;
const HEADERS: usize = 100;

/// What a task asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// As it was spelled.
    pub host: String,
    pub port: u16,
    /// What to send on first; none for a tunnel.
    pub head: Option<Vec<u8>>,
}

/// Headers that concern the task and the proxy alone, or that are written anew.
const OWN: [&str; 6] =
    ["connection", "host", "keep-alive", "proxy-authorization", "proxy-connection", "upgrade"];

/// Reads a head that is whole; answers it with its length, or none when more must come.
///
/// # Errors
/// What is wrong with it, for the task.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Request, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("this is no HTTP request: {error}")),
    };
    let (method, target) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    if method == "CONNECT" {
        let (host, port) = authority(target, None)?;
        return Ok(Some((Request { host, port, head: None }, length)));
    }
    let rest = target.strip_prefix("http://").ok_or("only `CONNECT` and `http://` URLs are taken")?;
    let (authority_text, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let (host, port) = authority(authority_text, Some(80))?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut head =
        format!("{method} {slash}{path} HTTP/1.1\r\nhost: {authority_text}\r\nconnection: close\r\n")
            .into_bytes();
    for header in
        parsed.headers.iter().filter(|header| !OWN.contains(&header.name.to_ascii_lowercase().as_str()))
    {
        head.extend(header.name.as_bytes());
        head.extend(b": ");
        head.extend(header.value);
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
    Ok(Some((Request { host, port, head: Some(head) }, length)))
}

fn authority(text: &str, default: Option<u16>) -> Result<(String, u16), String> {
    let wrong = || format!("`{}` is not a host and a port", text.escape_debug());
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (text, default.ok_or_else(wrong)?),
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty() || host.contains('@') || (host.contains(':') && !bracketed) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_and_a_request_are_told_apart() {
        let (request, length) =
            parse(b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\nrest").unwrap().unwrap();
        assert_eq!((request.host.as_str(), request.port, request.head), ("example.org", 443, None));
        assert_eq!(length, 45);
        let text = b"GET http://example.org:8080/a?b HTTP/1.1\r\nHost: other\r\nProxy-Authorization: x\r\nA: 1\r\n\r\n";
        let (request, _) = parse(text).unwrap().unwrap();
        assert_eq!((request.host.as_str(), request.port), ("example.org", 8080));
        let head = String::from_utf8(request.head.unwrap()).unwrap();
        assert_eq!(head, "GET /a?b HTTP/1.1\r\nhost: example.org:8080\r\nconnection: close\r\nA: 1\r\n\r\n");
    }

    #[test]
    fn what_cannot_be_proxied_is_refused() {
        for wrong in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT example.org HTTP/1.1\r\n\r\n",
            "CONNECT user@example.org:443 HTTP/1.1\r\n\r\n",
            "GET https://example.org/ HTTP/1.1\r\n\r\n",
            "GET http:///x HTTP/1.1\r\n\r\n",
            "\x16\x03\x01",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert_eq!(parse(b"CONNECT example.org:443 HT").unwrap(), None);
    }
}
