//! A service that is told what happened, on loopback: it keeps the requests that it gets.

use crate::taken::{Taken, take};
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

/// The service. It answers as long as the process lives.
pub struct Hook {
    address: String,
    requests: Arc<Mutex<Vec<Taken>>>,
}

impl Hook {
    /// Starts one that answers in turn with these, each what stands behind `HTTP/1.1`, and then always with the last.
    pub fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let requests = Arc::<Mutex<Vec<Taken>>>::default();
        let kept = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = take(&mut BufReader::new(&stream)) else { continue };
                let number = {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(request);
                    kept.len()
                };
                let answer = answers[number.min(answers.len()) - 1];
                let _ =
                    write!(&stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        });
        Self { address, requests }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Taken> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
