//! A server on the loopback of this machine that counts what reaches it.

use crate::taken::take;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Requests of one method to one path: the idempotency key of each, in order of arrival.
pub type Received = BTreeMap<(String, String), Vec<Option<String>>>;

/// Answers every request with 200. It lives as long as the test's process.
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
}

impl Receiver {
    /// One on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let received = Arc::<Mutex<Received>>::default();
        let shared = received.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let received = shared.clone();
                // A client that is killed breaks its connection: nobody is left to be answered.
                thread::spawn(move || serve(&stream, &received));
            }
        });
        Self { address, received }
    }

    /// HOST:PORT.
    pub fn authority(&self) -> String {
        self.address.to_string()
    }

    /// What came so far.
    pub fn received(&self) -> Received {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn serve(stream: &TcpStream, received: &Mutex<Received>) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = take(&mut reader) {
        let key = request.header("idempotency-key").map(str::to_owned);
        let method = request.first.split(' ').next().unwrap_or_default().to_owned();
        let asked = (method, request.path().to_owned());
        received.lock().unwrap_or_else(PoisonError::into_inner).entry(asked).or_default().push(key);
        (&*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone")?;
    }
    Ok(())
}
