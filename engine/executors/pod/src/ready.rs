//! Whether a service is ready, asked from its own container.

use crate::child::{Child, Exit};
use stageway_parcel::told::Ready;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Between two questions; it doubles up to the second one. Nothing tells when a port is opened, so it has to be asked.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// How long a service may take to answer one request.
const ANSWERED: Duration = Duration::from_secs(5);

/// Questions to one service.
pub(crate) struct Asking<'a> {
    ready: &'a Ready,
    pause: Duration,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(ready: &'a Ready) -> Self {
        Self { ready, pause: FIRST }
    }

    /// For how long to wait before the next question.
    pub(crate) fn pause(&self) -> Duration {
        self.pause
    }

    /// Asks once, at most until a time; the problem is what keeps it from being ready.
    pub(crate) fn ask(&mut self, service: &Child, until: Instant) -> Result<(), String> {
        self.pause = (self.pause * 2).min(LONGEST);
        match self.ready {
            Ready::Tcp(port) => connect(*port).map(drop),
            Ready::Http { port, path } => connect(*port).and_then(|connection| get(connection, path)),
            Ready::Command(words) => match service.beside(words, until)? {
                Exit::Code(0) => Ok(()),
                exit => Err(format!("the command ended with {exit:?}")),
            },
        }
    }
}

fn connect(port: u16) -> Result<TcpStream, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, ANSWERED).map_err(|error| format!("port {port}: {error}"))
}

/// A GET whose status is all that matters.
fn get(mut connection: TcpStream, path: &str) -> Result<(), String> {
    let mut line = [0; 12];
    let exchange = connection
        .set_read_timeout(Some(ANSWERED))
        .and_then(|()| connection.set_write_timeout(Some(ANSWERED)))
        .and_then(|()| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            connection.write_all(request.as_bytes())?;
            connection.read_exact(&mut line)
        });
    exchange.map_err(|error| format!("`{path}`: {error}"))?;
    match &line {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', _, _] => Ok(()),
        _ => Err(format!("`{path}` is answered with `{}`", String::from_utf8_lossy(&line).escape_debug())),
    }
}
