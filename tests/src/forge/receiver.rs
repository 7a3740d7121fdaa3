use crate::taken::{Taken, take};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

/// Takes what a webhook delivers and answers 200 to all of it.
pub struct Receiver {
    address: String,
    received: mpsc::Receiver<Taken>,
}

impl Receiver {
    /// Listens on a free port of loopback.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let (sender, received) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = answered(&stream) else { continue };
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
    pub fn next(&self) -> Taken {
        self.within(Duration::from_secs(60)).expect("a delivery comes")
    }

    /// The next one, if it comes in time.
    pub fn within(&self, patience: Duration) -> Option<Taken> {
        self.received.recv_timeout(patience).ok()
    }
}

fn answered(stream: &TcpStream) -> Option<Taken> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let taken = take(&mut BufReader::new(stream))?;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (&*stream).write_all(answer).ok()?;
    Some(taken)
}
