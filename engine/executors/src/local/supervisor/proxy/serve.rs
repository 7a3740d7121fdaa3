//! Serving the connections of one task.

use super::address::denied;
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
            if let Some(what) = denied(address.ip()) {
                return Err(forbidden(format!("`{host}` is {}, a {what} address", address.ip())));
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
