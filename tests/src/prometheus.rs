//! A real Prometheus that looks once a second at something on the loopback of this machine.

use crate::root;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The server; ended when dropped.
pub struct Prometheus {
    address: String,
    process: Child,
    _place: TempDir,
}

impl Prometheus {
    /// One that looks at `target`, which is HOST:PORT.
    ///
    /// # Panics
    /// When it cannot be had, or does not come up.
    pub fn start(target: &str) -> Self {
        let setup = Command::new(root().join("tests/prometheus/setup")).stderr(Stdio::inherit()).output();
        let setup = setup.expect("the set-up runs");
        assert!(setup.status.success(), "Prometheus cannot be had: tests/prometheus/setup says why");
        let program = String::from_utf8(setup.stdout).expect("a path");
        let place = tempfile::tempdir().expect("a temporary directory");
        let configuration = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs: [{{ job_name: service, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n"
        );
        fs::write(place.path().join("prometheus.yml"), configuration).expect("its configuration");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let process = Command::new(program.trim())
            .current_dir(place.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Prometheus starts");
        let prometheus = Self { address, process, _place: place };
        let begun = Instant::now();
        while !prometheus.is_ready() {
            assert!(begun.elapsed() < Duration::from_secs(60), "Prometheus does not come up");
            thread::sleep(Duration::from_millis(100));
        }
        prometheus
    }

    /// HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it at once.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// It has looked at its target, so that queries give something.
    fn is_ready(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect(&self.address)?;
            write!(stream, "GET /api/v1/query?query=up HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer)
        };
        ask().is_ok_and(|answer| answer.contains(r#""1"]"#))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A service that answers a hundred requests a second, so many of them badly, as its metrics tell.
pub struct Service {
    address: String,
    bad: Arc<AtomicU64>,
}

impl Service {
    /// One whose requests are all answered well. It lives as long as the test's process.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let bad = Arc::<AtomicU64>::default();
        let percent = bad.clone();
        // Counted and told together: half a count would be a rate that never was.
        let totals = Arc::new(Mutex::new([0, 0]));
        let counted = totals.clone();
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(100));
                let bad = percent.load(Ordering::Relaxed);
                let mut counted = counted.lock().expect("nobody panics holding it");
                counted[0] += 100 - bad;
                counted[1] += bad;
            }
        });
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let [good, bad] = *totals.lock().expect("nobody panics holding it");
                let text = format!(
                    "# TYPE requests_total counter\n\
                     requests_total{{class=\"2xx\"}} {good}\nrequests_total{{class=\"5xx\"}} {bad}\n"
                );
                let _ = stream.read(&mut [0; 4096]);
                let head = format!(
                    "HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
                    text.len()
                );
                let _ = stream.write_all((head + &text).as_bytes());
            }
        });
        Self { address, bad }
    }

    /// HOST:PORT.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on so many of a hundred requests are answered badly.
    pub fn answer_badly(&self, percent: u64) {
        self.bad.store(percent, Ordering::Relaxed);
    }
}
