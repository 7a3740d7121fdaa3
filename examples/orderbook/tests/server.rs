//! The connections of a running server, seen from plain sockets: what is slow, large, broken or too many.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use orderbook::{api::Api, book, server};
use tokio::{net::TcpListener, runtime, sync::oneshot};

/// What a socket of a test waits for at most.
const PATIENCE: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);
const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: test\r\n\r\n";

struct Server {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(limits: server::Limits) -> Self {
        Self::start_with(limits, PATIENCE)
    }

    fn start_with(limits: server::Limits, body_timeout: Duration) -> Self {
        let (end, ended) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let api = Arc::new(Api::new(book::Limits::default(), body_timeout));
                let end = async { ended.await.unwrap() };
                server::serve(listener, api, limits, Box::pin(end)).await;
            });
        });
        Self { address: address.recv_timeout(PATIENCE).unwrap(), end: Some(end), thread }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn send(&self, request: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn end(&mut self) {
        self.end.take().unwrap().send(()).unwrap();
    }
}

/// Everything the server says until it closes the connection; a reset is a close too.
fn all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("no answer: {error}"),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// One answer, whose body ends with `}`.
fn one(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn one_connection_carries_many_requests() {
    let server = Server::start(server::Limits::default());
    let mut stream = server.connect();
    for _ in 0..3 {
        stream.write_all(HEALTH.as_bytes()).unwrap();
        assert!(one(&mut stream).starts_with("HTTP/1.1 200 OK"));
    }
}

#[test]
fn what_is_not_http_is_refused() {
    let server = Server::start(server::Limits::default());
    for garbage in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "hello\r\n\r\n",
        "POST /orders HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ] {
        assert!(all(&mut server.send(garbage)).starts_with("HTTP/1.1 400 Bad Request"), "{garbage:?}");
    }
    assert!(one(&mut server.send(HEALTH)).contains("200 OK"));
}

#[test]
fn a_head_is_bounded() {
    let server = Server::start(server::Limits::default());
    let head = format!("GET /health HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert!(all(&mut server.send(&head)).starts_with("HTTP/1.1 431"));
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(1_000));
    assert!(all(&mut server.send(&many)).starts_with("HTTP/1.1 431"));
}

#[test]
fn a_large_body_is_refused_before_it_is_read() {
    let server = Server::start(server::Limits::default());
    let request = "POST /orders HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999\r\n\r\n{";
    assert!(all(&mut server.send(request)).starts_with("HTTP/1.1 413"));
}

#[test]
fn who_sends_too_much_still_reads_why() {
    let server = Server::start(server::Limits::default());
    let head = "POST /orders HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n";
    let mut stream = server.send(&(head.to_owned() + &" ".repeat(200_000)));
    assert!(all(&mut stream).contains("body-too-large"));
}

#[test]
fn a_body_that_does_not_come_is_refused() {
    let server = Server::start_with(server::Limits::default(), SHORT);
    let request = "POST /orders HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n{";
    assert!(all(&mut server.send(request)).starts_with("HTTP/1.1 408"));
}

#[test]
fn a_slow_head_and_an_idle_connection_are_closed() {
    let server = Server::start(server::Limits { head: SHORT, ..server::Limits::default() });
    let start = Instant::now();
    all(&mut server.send("GET /hea"));
    all(&mut server.connect());
    let mut idle = server.send(HEALTH);
    one(&mut idle);
    assert_eq!(all(&mut idle), "");
    assert!(start.elapsed() < PATIENCE / 2);
}

#[test]
fn no_connection_lives_for_ever() {
    let limits = server::Limits { age: SHORT, grace: SHORT, ..server::Limits::default() };
    let server = Server::start(limits);
    let mut stream = server.send(HEALTH);
    let start = Instant::now();
    // It asks for more all the time, reads nothing, and must not be able to hold its place with that.
    while stream.write_all(HEALTH.as_bytes()).is_ok() {
        assert!(start.elapsed() < PATIENCE / 2, "still connected");
    }
}

#[test]
fn beyond_the_limit_a_connection_waits_for_a_place() {
    let limits = server::Limits { connections: 2, head: SHORT, ..server::Limits::default() };
    let server = Server::start(limits);
    let _held = [server.send("GET /"), server.send("GET /")];
    assert!(one(&mut server.send(HEALTH)).contains("200 OK"));
}

#[test]
fn at_the_end_a_request_under_way_is_answered_and_new_ones_are_not() {
    let mut server = Server::start(server::Limits::default());
    let mut idle = server.send(HEALTH);
    one(&mut idle);
    let body = r#"{"side":"buy","price":1,"quantity":1}"#;
    let head = "POST /orders HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n";
    let mut under_way = server.send(&format!("{head}Content-Length: {}\r\n\r\n", body.len()));
    let mut go_on = [0; 25];
    under_way.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.end();
    assert_eq!(all(&mut idle), "", "an idle connection ends at once");
    under_way.write_all(body.as_bytes()).unwrap();
    assert!(all(&mut under_way).starts_with("HTTP/1.1 201 Created"));
    server.thread.join().unwrap();
    assert!(TcpStream::connect(server.address).is_err());
}
