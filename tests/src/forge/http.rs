use serde_json::Value as Json;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A status and a body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 100 to 599; 0 if nobody answered.
    pub status: u16,
    /// The body as JSON; null if it is none.
    pub body: Json,
}

/// One request over HTTP/1.0, so that the answer comes whole and ends with the connection.
pub fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Json>,
) -> Answer {
    let nobody = Answer { status: 0, body: Json::Null };
    let Ok(mut stream) = TcpStream::connect(address) else { return nobody };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
    let body = body.map(Json::to_string).unwrap_or_default();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    let mut bytes = Vec::new();
    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err()
        || stream.read_to_end(&mut bytes).is_err()
    {
        return nobody;
    }
    let text = String::from_utf8_lossy(&bytes);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Answer { status, body: serde_json::from_str(body).unwrap_or(Json::Null) }
}
