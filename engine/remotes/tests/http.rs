//! Requests to real sockets, under the egress rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod support;

use stageway_ports::{Egress, Http as _, HttpError, HttpRequest, HttpResponse};
use stageway_remotes::http::EgressHttp;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers every connection with the same bytes and keeps what it was sent.
struct Server {
    port: u16,
    received: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// No bytes: it closes the connection when the request is there. `None`: it never answers.
    async fn answering(answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), answer.clone());
                tokio::spawn(async move {
                    let mut request = vec![0; 64 << 10];
                    let n = stream.read(&mut request).await.unwrap_or(0);
                    kept.lock().unwrap().push(String::from_utf8_lossy(&request[..n]).to_lowercase());
                    match answer {
                        Some(answer) => stream.write_all(&answer).await.unwrap_or(()),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { port, received }
    }

    async fn ok(body: &str) -> Self {
        Self::answering(Some(response("200 OK", &[], body))).await
    }

    async fn redirecting(status: &str, location: &str) -> Self {
        Self::answering(Some(response(status, &[("Location", location)], ""))).await
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/path?query", self.port)
    }
}

fn response(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// Sends with everything granted and opened that `ports` names on loopback.
async fn send(request: HttpRequest, ports: &[u16]) -> Result<HttpResponse, HttpError> {
    let open: BTreeSet<_> = ports.iter().map(|port| format!("127.0.0.1:{port}").parse().unwrap()).collect();
    EgressHttp::new(open).send(request, &granted(ports)).await
}

fn granted(ports: &[u16]) -> Egress {
    let hosts = ["127.0.0.1", "localhost", "[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[::1]"];
    Egress { hosts: ports.iter().flat_map(|port| hosts.map(|host| format!("{host}:{port}"))).collect() }
}

fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout_ms: 5_000,
        response_bytes: 1_000,
        redirects: 3,
    }
}

#[tokio::test]
async fn what_is_granted_and_open_is_reached() {
    let server =
        Server::answering(Some(response("201 Created", &[("X-One", "a"), ("x-one", "b")], "hello"))).await;
    let mut request = get(server.url());
    request.method = "POST".into();
    request.body = b"body".to_vec();
    request.headers = vec![("X-Key".into(), "value".into())];
    let answer = send(request, &[server.port]).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (201, b"hello".as_slice()));
    let values: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "x-one").map(|(_, v)| v.as_str()).collect();
    assert_eq!(values, ["a", "b"]);
    let received = server.received();
    assert!(received[0].starts_with("post /path?query http/1.1\r\n"), "{received:?}");
    assert!(
        received[0].contains("x-key: value\r\n") && received[0].ends_with("\r\n\r\nbody"),
        "{received:?}"
    );
}

#[test]
fn a_proxy_in_the_environment_is_not_asked() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "what_is_granted_and_open_is_reached"]);
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test]
async fn what_is_not_open_is_not_reached_in_any_spelling() {
    let server = Server::ok("secret").await;
    let port = server.port;
    let egress = granted(&[port]);
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "2130706433",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
    ] {
        let answer = EgressHttp::default().send(get(format!("http://{host}:{port}/")), &egress).await;
        match answer {
            Err(HttpError::Denied(text)) => assert!(text.contains("loopback"), "{host}: {text}"),
            other => panic!("{host}: {other:?}"),
        }
    }
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn what_is_not_granted_is_not_reached_even_if_it_is_open() {
    let server = Server::ok("secret").await;
    let http = EgressHttp::new(BTreeSet::from([format!("127.0.0.1:{}", server.port).parse().unwrap()]));
    for hosts in
        [vec![], vec!["127.0.0.1:1".to_owned()], vec!["a.example".to_owned()], vec!["not a host".to_owned()]]
    {
        let answer = http.send(get(server.url()), &Egress { hosts }).await;
        assert!(matches!(answer, Err(HttpError::Denied(_))), "{answer:?}");
    }
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn a_connection_that_is_not_made_was_not_sent() {
    let (_kept, port) = support::closed_port();
    let answer = send(get(format!("http://127.0.0.1:{port}/")), &[port]).await;
    assert!(matches!(answer, Err(HttpError::NotSent(_))), "{answer:?}");

    // A plain server is no TLS server: the handshake fails before anything is sent.
    let server = Server::ok("plain").await;
    let answer = send(get(server.url().replace("http:", "https:")), &[server.port]).await;
    assert!(matches!(answer, Err(HttpError::NotSent(_))), "{answer:?}");

    let nobody = Egress { hosts: vec!["nobody.invalid:443".into()] };
    let answer = EgressHttp::default().send(get("https://nobody.invalid/?key=s3cret"), &nobody).await;
    match answer {
        Err(HttpError::NotSent(text)) => assert!(!text.contains("s3cret"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_breaks_may_have_been_sent() {
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec();
    for answer in [Vec::new(), b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), cut, b"garbage\r\n\r\n".to_vec()] {
        let server = Server::answering(Some(answer)).await;
        let answer = send(get(server.url()), &[server.port]).await;
        match answer {
            Err(HttpError::Broken(text)) => assert!(!text.contains("query"), "{text}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(server.received().len(), 1, "nothing is sent twice");
    }
}

#[tokio::test]
async fn time_and_size_are_bounded() {
    let server = Server::answering(None).await;
    let started = std::time::Instant::now();
    let answer = send(HttpRequest { timeout_ms: 200, ..get(server.url()) }, &[server.port]).await;
    assert_eq!(answer, Err(HttpError::TimedOut));
    assert!(started.elapsed() < Duration::from_secs(30));

    let server = Server::ok(&"x".repeat(1_001)).await;
    assert_eq!(send(get(server.url()), &[server.port]).await, Err(HttpError::TooLarge(1_000)));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5_000)).into_bytes();
    let server = Server::answering(Some(endless)).await;
    assert_eq!(send(get(server.url()), &[server.port]).await, Err(HttpError::TooLarge(1_000)));
    let server = Server::ok(&"x".repeat(1_000)).await;
    assert_eq!(send(get(server.url()), &[server.port]).await.unwrap().body.len(), 1_000);
}

#[tokio::test]
async fn nothing_is_unpacked() {
    let server =
        Server::answering(Some(response("200 OK", &[("Content-Encoding", "gzip")], "not gzip"))).await;
    assert_eq!(send(get(server.url()), &[server.port]).await.unwrap().body, b"not gzip");
    assert!(!server.received()[0].contains("accept-encoding"));
}

#[tokio::test]
async fn a_redirect_is_checked_like_the_first_request() {
    let target = Server::ok("there").await;
    let from = Server::redirecting("302 Found", &target.url()).await;
    let mut request = get(from.url());
    request.headers = vec![("Authorization".into(), "s3cret".into()), ("Accept".into(), "text/plain".into())];
    let answer = send(request, &[from.port, target.port]).await.unwrap();
    assert_eq!(answer.body, b"there");
    let received = target.received();
    assert!(!received[0].contains("s3cret") && received[0].contains("accept: text/plain"), "{received:?}");

    let answer = send(get(from.url()), &[from.port]).await;
    assert!(matches!(answer, Err(HttpError::Denied(_))), "{answer:?}");
    for location in ["http://169.254.169.254/latest/meta-data", "http://[fd00:ec2::254]/", "http://[::1]:22/"]
    {
        let from = Server::redirecting("307 Temporary Redirect", location).await;
        let mut egress = granted(&[from.port]);
        egress.hosts.extend(["169.254.169.254:80", "[fd00:ec2::254]:80", "[::1]:22"].map(String::from));
        let open = BTreeSet::from([format!("127.0.0.1:{}", from.port).parse().unwrap()]);
        let answer = EgressHttp::new(open).send(get(from.url()), &egress).await;
        assert!(matches!(answer, Err(HttpError::Denied(_))), "{location}: {answer:?}");
    }
    assert_eq!(target.received().len(), 1);
}

#[tokio::test]
async fn redirects_are_counted_and_a_later_fault_is_not_unsent() {
    let server = Server::redirecting("302 Found", "/again").await;
    let answer = send(get(server.url()), &[server.port]).await.unwrap();
    assert_eq!((answer.status, server.received().len()), (302, 4));
    let answer = send(HttpRequest { redirects: 0, ..get(server.url()) }, &[server.port]).await.unwrap();
    assert_eq!((answer.status, server.received().len()), (302, 5));

    let (_kept, closed) = support::closed_port();
    let from = Server::redirecting("302 Found", &format!("http://127.0.0.1:{closed}/")).await;
    let answer = send(get(from.url()), &[from.port, closed]).await;
    assert!(matches!(answer, Err(HttpError::Broken(_))), "{answer:?}");
}
