//! A client for one request at a time, and the service it talks to.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

/// What a request may take at most.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// The service under test. One that was started here ends with this value.
pub(crate) struct Service {
    address: SocketAddr,
    process: Option<Child>,
}

/// What the service said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The number of the order that was placed.
    pub(crate) fn id(&self) -> u64 {
        self.body["order"]["id"].as_u64().expect("an order has an id")
    }
}

impl Service {
    /// The service at `SERVICE_ADDRESS`, else a new one.
    pub(crate) fn reach() -> Self {
        match env::var("SERVICE_ADDRESS") {
            Ok(address) if !address.is_empty() => {
                let mut addresses = address.to_socket_addrs().expect("SERVICE_ADDRESS must be HOST:PORT");
                Self {
                    address: addresses.next().expect("SERVICE_ADDRESS must have an address"),
                    process: None,
                }
            }
            _ => Self::start(),
        }
    }

    fn start() -> Self {
        let program = env::var("ORDERBOOK")
            .expect("neither SERVICE_ADDRESS nor ORDERBOOK is set; run ci/integration.sh");
        let mut process = Command::new(program)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("ORDERBOOK must be the program");
        let mut line = String::new();
        let output = process.stdout.as_mut().expect("standard output is a pipe");
        BufReader::new(output.take(100)).read_line(&mut line).expect("the service says where it listens");
        let address =
            line.trim_end().strip_prefix("listening on ").expect("the service says where it listens");
        Self { address: address.parse().expect("the service says an address"), process: Some(process) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads an address.
    pub(crate) fn get(&self, address: &str) -> Answer {
        self.send("GET", address, "")
    }

    /// Sends one request on a connection of its own.
    pub(crate) fn send(&self, method: &str, address: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).expect("the service listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket has timeouts");
        let head = format!(
            "{method} {address} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all((head + body).as_bytes()).expect("the service reads");
        let mut text = String::new();
        stream.take(MOST_BYTES).read_to_string(&mut text).expect("the service answers and closes");
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).expect("an answer has a status");
        Answer {
            status: status.parse().expect("a status is a number"),
            body: serde_json::from_str(body).expect("an answer is JSON"),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
