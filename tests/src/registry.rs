//! A real registry that lets nobody in without a password.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The password of `robot`, hashed as `htpasswd -B` does.
const HTPASSWD: &str = "robot:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// `docker-registry` with one user, on loopback without TLS; gone when it is dropped.
pub struct PrivateRegistry {
    process: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl PrivateRegistry {
    /// What its user `robot` enters with.
    pub const PASSWORD: &str = "s3cret";

    /// Starts one and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().display();
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let address = format!("127.0.0.1:{port}");
        fs::write(folder.path().join("htpasswd"), HTPASSWD).expect("a file");
        let configuration = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {path}/data }} }}\n\
             http: {{ addr: \"{address}\" }}\nauth: {{ htpasswd: {{ realm: test, path: {path}/htpasswd }} }}\n"
        );
        fs::write(folder.path().join("config.yml"), configuration).expect("a file");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the registry runs: apt-get install docker-registry");
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "the registry does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, address, folder }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What docker's own tools say of the tags of a repository that is not there, with this configuration.
    ///
    /// # Panics
    /// When skopeo cannot be started.
    pub fn tags(&self, configuration: &str) -> String {
        let file = self.folder.path().join("auth.json");
        fs::write(&file, configuration).expect("a file");
        let output = Command::new("skopeo")
            .args(["list-tags", "--tls-verify=false", "--authfile"])
            .arg(&file)
            .arg(format!("docker://{}/team/app", self.address))
            .output()
            .expect("skopeo runs: apt-get install skopeo");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

impl Drop for PrivateRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
