//! Something between a client and a server: connections that break when a test says so, and an HTTP that says no now and then.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The longest head of a request.
const HEAD: usize = 64 << 10;
/// For how long a refused client may go on sending.
const PATIENCE: Duration = Duration::from_secs(10);

/// Passes connections on as they are. It lives as long as the test's process.
pub struct Passage {
    address: SocketAddr,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Passage {
    /// To this server, from a free port of the loopback.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let open = Arc::<Mutex<Vec<TcpStream>>>::default();
        let (kept, server) = (open.clone(), server.to_owned());
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&server) else { continue };
                let both = [near.try_clone(), far.try_clone()];
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(both.into_iter().flatten());
                pass_both(near, far);
            }
        });
        Self { address, open }
    }

    /// Where to connect instead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection that is open; answers how many were.
    pub fn cut(&self) -> usize {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().filter(|stream| stream.shutdown(Shutdown::Both).is_ok()).count() / 2
    }
}

/// What an HTTP server is made to answer instead of what it would: of the number of a request, from 0 on, and its first line.
pub type Says = dyn Fn(usize, &str) -> Option<u16> + Send + Sync;

/// An HTTP server that does not always answer by itself. It lives as long as the test's process.
pub struct Moody {
    address: SocketAddr,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Moody {
    /// Before a server, on a free port of the address that it listens on, in a network namespace if that is elsewhere.
    ///
    /// # Panics
    /// When there is no such namespace or no free port.
    pub fn before(server: &str, namespace: Option<&Path>, says: Arc<Says>) -> Self {
        Self::at(0, server, namespace, says)
    }

    /// The same on a port that it is told.
    ///
    /// # Panics
    /// When there is no such namespace or the port is not free.
    pub fn at(port: u16, server: &str, namespace: Option<&Path>, says: Arc<Says>) -> Self {
        let (server, namespace) = (server.to_owned(), namespace.map(Path::to_owned));
        let refused = Arc::<Mutex<Vec<String>>>::default();
        let (kept, (told, address)) = (refused.clone(), std::sync::mpsc::channel());
        thread::spawn(move || {
            // The namespace is that of this thread, and of those that it starts.
            if let Some(path) = namespace {
                enter(&path).expect("the namespace is entered");
            }
            let host = server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host);
            let listener = TcpListener::bind((host, port)).expect("a free port");
            told.send(listener.local_addr().expect("its address")).expect("somebody waits for it");
            let asked = Arc::new(AtomicUsize::new(0));
            for stream in listener.incoming().flatten() {
                let (server, says, asked, refused) =
                    (server.clone(), says.clone(), asked.clone(), kept.clone());
                let says = move |line: &str| {
                    let status = says(asked.fetch_add(1, Ordering::Relaxed), line)?;
                    refused.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{status} {line}"));
                    Some(status)
                };
                // A client that goes away breaks its connection: nobody is left to be answered.
                thread::spawn(move || answer(stream, &server, says));
            }
        });
        Self { address: address.recv().expect("it listens"), refused }
    }

    /// HOST:PORT.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// What was refused so far: status and first line.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn enter(namespace: &Path) -> io::Result<()> {
    use rustix::fd::AsFd as _;
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let file = File::open(namespace)?;
    Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// One request: each has a connection of its own, because everybody is told so.
fn answer(mut near: TcpStream, server: &str, says: impl Fn(&str) -> Option<u16>) -> io::Result<()> {
    near.set_read_timeout(Some(PATIENCE))?;
    let (head, rest) = read_head(&mut near)?;
    let line = head.lines().next().unwrap_or_default();
    if let Some(status) = says(line.trim_end_matches(" HTTP/1.1")) {
        let again = if status == 429 { "retry-after: 1\r\n" } else { "" };
        write!(near, "HTTP/1.1 {status} Not now\r\nconnection: close\r\n{again}content-length: 0\r\n\r\n")?;
        near.shutdown(Shutdown::Write)?;
        // Whoever still sends would take a closed connection for a broken one.
        return io::copy(&mut near, &mut io::sink()).map(drop);
    }
    near.set_read_timeout(None)?;
    let mut far = TcpStream::connect(server)?;
    let kept = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let kept: String = kept.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
    far.write_all(format!("{kept}connection: close\r\n\r\n").as_bytes())?;
    far.write_all(&rest)?;
    pass_both(near, far);
    Ok(())
}

/// The head of a request, and what came behind it already.
fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 8192]);
    while bytes.len() < HEAD {
        let got = stream.read(&mut buffer)?;
        // Somebody who tries TLS first must not wait until nothing comes.
        if got == 0 || !buffer[0].is_ascii_uppercase() {
            break;
        }
        bytes.extend_from_slice(&buffer[..got]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes).map_err(io::Error::other)?, rest));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Both directions, until both are over.
fn pass_both(near: TcpStream, far: TcpStream) {
    let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { return };
    thread::spawn(move || pass(near_too, far));
    thread::spawn(move || pass(far_too, near));
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
