use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// A request that was received, byte for byte.
#[derive(Debug, Clone)]
pub struct Received {
    /// Names as they came, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Takes what a webhook delivers and answers 200 to all of it.
pub struct Receiver {
    address: String,
    received: mpsc::Receiver<Received>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = take(stream) else { continue };
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, received }
    }

    /// Where to deliver.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The next one; fails the test if none comes in time.
    pub fn next(&self) -> Received {
        self.within(Duration::from_secs(60)).expect("a delivery comes")
    }

    /// The next one, if it comes in time.
    pub fn within(&self, patience: Duration) -> Option<Received> {
        self.received.recv_timeout(patience).ok()
    }
}

fn take(mut stream: TcpStream) -> Option<Received> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let end = loop {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let headers: Vec<_> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.parse().ok())?;
    while bytes.len() < end + 4 + length {
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
    }
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(answer).ok()?;
    Some(Received { headers, body: bytes.split_off(end + 4) })
}
