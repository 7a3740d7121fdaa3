//! Serving the connections of one task.

use super::grant::Grants;
use super::request::{HEAD, Request, parse};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tracing::debug;

/// Connections of one task at the same time; others wait in the socket's queue.
const CONNECTIONS: usize = 256;

/// How long a task may take to send its request, and a host to be reached.
const ASKED: Duration = Duration::from_secs(30);
const REACHED: Duration = Duration::from_secs(15);

/// Serves until it is aborted; the connections end with it.
pub(super) async fn serve(listener: TcpListener, grants: Arc<Grants>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let grants = grants.clone();
                    connections.spawn(async move {
                        if let Err(error) = connection(stream, &grants).await {
                            debug!(%error, "a proxied connection broke");
                        }
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Why a request is not passed on: the status and the text.
struct Refusal(&'static str, String);

async fn connection(mut task: TcpStream, grants: &Grants) -> io::Result<()> {
    let opened = tokio::time::timeout(ASKED, asked(&mut task)).await;
    let asked = opened.unwrap_or_else(|_| Err(Refusal("408 Request Timeout", "no request came".into())));
    let (request, rest) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refuse(&mut task, refusal).await,
    };
    let mut host = match dial(&request, grants).await {
        Ok(host) => host,
        Err(refusal) => return refuse(&mut task, refusal).await,
    };
    match &request.head {
        Some(head) => host.write_all(head).await?,
        None => task.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
    }
    host.write_all(&rest).await?;
    copy_bidirectional(&mut task, &mut host).await.map(drop)
}

/// Reads the head of a request, and what came after it.
async fn asked(task: &mut TcpStream) -> Result<(Request, Vec<u8>), Refusal> {
    let wrong = |problem: String| Refusal("400 Bad Request", problem);
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if task.read_buf(&mut bytes).await.map_err(|e| wrong(e.to_string()))? == 0 {
            return Err(wrong("the request ends in its head".into()));
        }
        match parse(&bytes).map_err(wrong)? {
            Some((request, length)) => return Ok((request, bytes.split_off(length))),
            None if bytes.len() >= HEAD => return Err(wrong("the head of the request is too large".into())),
            None => {}
        }
    }
}

/// Connects to an address that was checked; every address of the name has to pass.
async fn dial(request: &Request, grants: &Grants) -> Result<TcpStream, Refusal> {
    let Request { host, port, .. } = request;
    let forbidden = |problem: String| Refusal("403 Forbidden", problem);
    if !grants.allow(host, *port) {
        return Err(forbidden(format!("`{host}:{port}` is not granted to this task")));
    }
    let unreachable =
        |error: String| Refusal("502 Bad Gateway", format!("`{host}:{port}` cannot be reached: {error}"));
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let reached = tokio::time::timeout(REACHED, async {
        let addresses: Vec<SocketAddr> =
            lookup_host((name, *port)).await.map_err(|e| unreachable(e.to_string()))?.collect();
        for address in &addresses {
            if let Some(what) = (grants.refusal)(address.ip()) {
                return Err(forbidden(format!("`{host}` is {}, {what}", address.ip())));
            }
        }
        TcpStream::connect(&*addresses).await.map_err(|e| unreachable(e.to_string()))
    });
    reached.await.unwrap_or_else(|_| Err(unreachable("it takes too long".into())))
}

async fn refuse(task: &mut TcpStream, Refusal(status, problem): Refusal) -> io::Result<()> {
    let body = format!("stageway: {problem}\n");
    let response = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    task.write_all(response.as_bytes()).await?;
    task.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers every connection with what it received up to an empty line, and a proxy that may reach it.
    async fn proxied() -> (SocketAddr, u16) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let mut got = Vec::new();
                while !got.ends_with(b"\r\n\r\n") && stream.read_buf(&mut got).await.is_ok_and(|n| n > 0) {}
                stream.write_all(&got).await.unwrap();
            }
        });
        let mut grants = Grants::new(&[format!("localhost:{port}")]).unwrap();
        grants.refusal = |_| None;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(grants)));
        (address, port)
    }

    async fn exchange(proxy: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_granted_host_is_reached_through_a_tunnel_and_by_url() {
        let (proxy, port) = proxied().await;
        let tunnel = format!("CONNECT localhost:{port} HTTP/1.1\r\n\r\nhello\r\n\r\n");
        assert_eq!(
            exchange(proxy, &tunnel).await,
            "HTTP/1.1 200 Connection established\r\n\r\nhello\r\n\r\n"
        );
        let url = format!("GET http://localhost:{port}/a HTTP/1.1\r\nA: 1\r\n\r\n");
        let expected =
            format!("GET /a HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\nA: 1\r\n\r\n");
        assert_eq!(exchange(proxy, &url).await, expected);
    }

    #[tokio::test]
    async fn the_checked_address_is_denied_before_it_is_dialled() {
        let grants = Grants::new(&["localhost:1".to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, Arc::new(grants)));
        for (host, said) in [("localhost:1", "a loopback address"), ("127.0.0.1:1", "is not granted")] {
            let answer = exchange(proxy, &format!("CONNECT {host} HTTP/1.1\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 403") && answer.contains(said), "{answer}");
        }
    }
}
