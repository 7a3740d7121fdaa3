//! What tests of registries share: a real one on loopback, and a scripted one.

// Not every test file uses all of it.
#![allow(dead_code)]

pub(crate) mod face;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The user `robot` with the password `s3cret`.
const HTPASSWD: &str = "robot:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// A `docker-registry` of its own on a free port of loopback; ended when dropped.
pub(crate) struct RealRegistry {
    pub(crate) address: String,
    pub(crate) folder: tempfile::TempDir,
    process: Child,
}

impl RealRegistry {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// Asks for `robot` and `s3cret`.
    pub(crate) fn with_password() -> Self {
        Self::with("auth:\n  htpasswd: { realm: test, path: FOLDER/htpasswd }\n")
    }

    /// With a certificate of its own for 127.0.0.1, in `cert.pem` of its folder.
    pub(crate) fn with_tls() -> Self {
        Self::with("  tls: { certificate: FOLDER/cert.pem, key: FOLDER/key.pem }\n")
    }

    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        if more.contains("tls:") {
            certify(folder.path());
        }
        let more = more.replace("FOLDER", folder.path().to_str().unwrap());
        // Somebody else may take the port before the registry does.
        for _ in 0..5 {
            let (_, port) = closed_port();
            let address = format!("127.0.0.1:{port}");
            let mut process = serve(folder.path(), &address, &more);
            if listens(&mut process, &address) {
                return Self { address, folder, process };
            }
        }
        panic!("the registry does not listen");
    }

    /// Where the registry keeps the bytes of a blob.
    pub(crate) fn blob(&self, digest: &str) -> std::path::PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs: &Path = &self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

/// A port of loopback that nobody listens on, for as long as the socket is kept.
pub(crate) fn closed_port() -> (rustix::fd::OwnedFd, u16) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address: std::net::SocketAddr = getsockname(&socket).unwrap().try_into().unwrap();
    (socket, address.port())
}

fn serve(folder: &Path, address: &str, more: &str) -> Child {
    let path = folder.to_str().unwrap();
    let storage = format!("{{ filesystem: {{ rootdirectory: {path}/data }}, delete: {{ enabled: true }} }}");
    let config = format!(
        "version: 0.1\nlog: {{ level: error }}\nstorage: {storage}\nhttp:\n  addr: {address}\n{more}"
    );
    std::fs::write(folder.join("config.yml"), config).unwrap();
    Command::new("docker-registry")
        .args(["serve", &format!("{path}/config.yml")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the registry runs: apt-get install docker-registry")
}

/// Whether the process itself listens: it ends when it cannot have the port.
fn listens(process: &mut Child, address: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let connected = std::net::TcpStream::connect(address).is_ok();
        std::thread::sleep(Duration::from_millis(20));
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        if connected {
            return true;
        }
    }
    let _ = process.kill();
    let _ = process.wait();
    false
}

fn certify(folder: &Path) {
    let config = "[req]\ndistinguished_name = name\nprompt = no\nx509_extensions = extensions\n[name]\nCN = test\n\
                  [extensions]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = IP:127.0.0.1\n";
    std::fs::write(folder.join("openssl.cnf"), config).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args(["req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"]);
    openssl.args([
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ]);
    let output = openssl.output().expect("openssl runs: apt-get install openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One request as a scripted server sees it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `GET /v2/...`.
    pub(crate) line: String,
    /// The whole head in lower case.
    pub(crate) head: String,
    /// The body, as text.
    pub(crate) body: String,
    /// How many came before it.
    pub(crate) number: usize,
}

/// What it answers: a status line, headers, a body, and how much of the body is really sent.
pub(crate) struct Answer {
    status: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    cut: usize,
}

impl Answer {
    pub(crate) fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: usize::MAX }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The connection breaks after so many bytes of the body.
    pub(crate) fn cut(mut self, at: usize) -> Self {
        self.cut = at;
        self
    }

    fn bytes(&self, is_head: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(head, "Content-Length: {}\r\n\r\n", self.body.len()).unwrap();
        let body = if is_head { &[] } else { &self.body[..self.cut.min(self.body.len())] };
        [head.as_bytes(), body].concat()
    }
}

/// A registry that answers by a script and keeps what it was asked.
pub(crate) struct Scripted {
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    pub(crate) async fn start(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::<Request>::new()));
        let (kept, script) = (Arc::clone(&requests), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                tokio::spawn(async move {
                    let Some((head, body)) = read(&mut stream).await else { return };
                    let request = {
                        let mut kept = kept.lock().unwrap();
                        let line = head.lines().next().unwrap_or_default();
                        let line = line.trim_end_matches(" HTTP/1.1").to_owned();
                        let request = Request { line, head: head.to_lowercase(), body, number: kept.len() };
                        kept.push(request.clone());
                        request
                    };
                    let answer = script(&request).bytes(request.line.starts_with("HEAD "));
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }
}

/// The head and the body of a request.
async fn read(stream: &mut tokio::net::TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = vec![0; 64 << 10];
        let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        while bytes.len() < end + 4 + length {
            let n = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
            bytes.extend_from_slice(&buffer[..n]);
        }
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        return Some((head, body));
    }
}
