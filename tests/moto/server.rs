//! A server of moto for one test executable; included by the tests of the crates that ask it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Ends the server when the test is gone: nobody holds its standard input any more.
const KEEPER: &str = r#""$1" -H 127.0.0.1 -p "$2" & read -r _; kill $!; wait"#;

/// A stand-in for AWS on loopback, without any state of others.
pub(crate) struct Moto {
    pub(crate) port: u16,
    _keeper: Child,
}

impl Moto {
    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let setup = above.map(|folder| folder.join("tests/moto/setup")).find(|file| file.exists());
        let setup = setup.expect("the set-up lies in the project");
        let setup = Command::new(setup).stderr(Stdio::inherit()).output().expect("the set-up runs");
        assert!(setup.status.success(), "moto cannot be installed: tests/moto/setup says why");
        let server = String::from_utf8(setup.stdout).expect("a path");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its number").port();
        drop(free);
        let mut keeper = Command::new("/bin/sh");
        keeper.args(["-c", KEEPER, "keeper", server.trim(), &port.to_string()]).stdin(Stdio::piped());
        let keeper = keeper.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        let moto = Self { port, _keeper: keeper };
        let begun = Instant::now();
        while !moto.ask("GET /moto-api/data.json", "", "").starts_with("HTTP/1.1 200") {
            assert!(begun.elapsed() < Duration::from_secs(60), "moto does not come up");
            std::thread::sleep(Duration::from_millis(50));
        }
        moto
    }

    /// A request: its first line without the version, more lines for its head, and a body. An answer that does not come is empty.
    pub(crate) fn ask(&self, what: &str, head: &str, body: &str) -> String {
        let ask = || {
            let mut server = TcpStream::connect(("127.0.0.1", self.port))?;
            let length = body.len();
            write!(
                server,
                "{what} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\nconnection: close\r\n{head}\r\n{body}"
            )?;
            let mut answer = Vec::new();
            server.read_to_end(&mut answer)?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        ask().unwrap_or_default()
    }
}
