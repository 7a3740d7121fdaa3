//! A PostgreSQL server for tests: one of its own in a temporary directory, reached over a socket in there (or with TLS over
//! the loopback), with nothing of this machine's configuration. It ends with the process that started it, however that ends.

// For tests: what cannot be done ends the test with its reason.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::PostgresOptions;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::io::Write as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longer than a server takes to come up on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps no house by itself, so that what tests count is theirs. Starts the server for each line, and stops it and removes its directory when there are no more: that is also what the
/// kernel says of a process that was killed.
const KEEPER: &str = r#"
postgres=$1 directory=$2 port=$3
shift 3
while read -r line; do
    "$postgres" -D "$directory/data" -k "$directory" -p "$port" -c max_connections=200 -c shared_buffers=64MB \
        -c autovacuum=off -c 'log_line_prefix=%d ' "$@" \
        >>"$directory/log" 2>&1 &
    server=$!
done
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$directory"
"#;

/// A running server.
#[derive(Debug)]
pub struct PostgresServer {
    directory: PathBuf,
    port: u16,
    keeper: Mutex<(Child, Option<ChildStdin>)>,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Makes a server and starts it. It flushes to the disk if `durable`.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or the server does not come up.
    pub fn start(durable: bool) -> Self {
        let fsync = if durable { "fsync=on" } else { "fsync=off" };
        let (directory, user) = directory();
        Self::started(directory, user, 5432, &["-c", "listen_addresses=", "-c", fsync])
    }

    /// A server that also listens on `localhost` and takes nothing but TLS there: [`PostgresServer::tls`].
    ///
    /// # Panics
    /// As [`PostgresServer::start`], and without `openssl`.
    pub fn start_with_tls() -> Self {
        let (directory, user) = directory();
        certify(&directory, user);
        std::fs::write(directory.join("hba"), "local all all trust\nhostssl all all localhost trust\n")
            .unwrap();
        let free = std::net::TcpListener::bind("localhost:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let place = directory.display();
        let settings = [
            "fsync=off".to_owned(),
            "listen_addresses=localhost".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={place}/certificate.pem"),
            format!("ssl_key_file={place}/key.pem"),
            format!("hba_file={place}/hba"),
        ];
        let settings: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
        Self::started(directory, user, port, &settings)
    }

    fn started(directory: PathBuf, user: Option<(u32, u32)>, port: u16, settings: &[&str]) -> Self {
        let binaries = binaries();
        let mut initdb = command(&binaries.join("initdb"), user);
        initdb.arg("-D").arg(directory.join("data"));
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut keeper = command(Path::new("/bin/sh"), user);
        keeper.args(["-c", KEEPER, "keeper"]).arg(binaries.join("postgres")).arg(&directory);
        keeper.arg(port.to_string()).args(settings).stdin(Stdio::piped());
        keeper.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut keeper = keeper.spawn().unwrap();
        let lines = keeper.stdin.take();
        let (keeper, databases) = (Mutex::new((keeper, lines)), AtomicU32::new(0));
        let server = Self { directory, port, keeper, databases };
        server.restart();
        server
    }

    /// Starts the server again after [`PostgresServer::kill`], and waits until it takes connections.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&self) {
        let begun = Instant::now();
        loop {
            self.keep("start");
            // A process of the server that was killed may live for a moment, and the new one ends at once.
            let until = Instant::now() + Duration::from_secs(10);
            while Instant::now() < until {
                if std::os::unix::net::UnixStream::connect(self.socket()).is_ok()
                    && self.postmaster().is_some_and(|(_, ready)| ready)
                {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "the server did not come up: {log}");
        }
    }

    /// Kills every process of the server at once. What the kernel has taken of their writes stays, as when the server
    /// crashes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        let (postmaster, _) = self.postmaster().expect("the server runs");
        let mut all = children(postmaster);
        all.insert(0, postmaster);
        for id in &all {
            if let Some(id) = i32::try_from(*id).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
        }
        let end = Instant::now() + PATIENCE;
        while all.iter().any(|id| stat(*id).is_some_and(|(state, _)| state != 'Z')) {
            assert!(Instant::now() < end, "the server did not end");
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = std::fs::remove_file(self.directory.join("data/postmaster.pid"));
    }

    /// The address of a new, empty database.
    pub async fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut admin = self.admin("postgres").await;
        let make = format!("CREATE DATABASE {name} TEMPLATE template0");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&mut admin).await.unwrap();
        let socket = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}:{}/{name}", self.port)
    }

    /// What the server has logged of the database of an address.
    pub fn log(&self, url: &str) -> Vec<String> {
        let (_, name) = url.rsplit_once('/').expect("an address ends with its database");
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let own = log.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        own.map(str::to_owned).collect()
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{}", self.port))
    }

    /// The address over `localhost` of the database of an address over the socket, and the certificate that vouches for it.
    pub fn tls(&self, url: &str) -> (String, PathBuf) {
        let (_, name) = url.rsplit_once('/').expect("an address ends with its database");
        (
            format!("postgres://postgres@localhost:{}/{name}", self.port),
            self.directory.join("certificate.pem"),
        )
    }

    /// A connection of the test's own to a database of [`PostgresServer::database`].
    pub async fn connection(&self, url: &str) -> PgConnection {
        let (_, name) = url.rsplit_once('/').expect("an address ends with its database");
        self.admin(name).await
    }

    async fn admin(&self, database: &str) -> PgConnection {
        let options = PgConnectOptions::new_without_pgpass().socket(&self.directory).port(self.port);
        options.username("postgres").database(database).connect().await.unwrap()
    }

    /// What a statement with one number as its answer says in a database of [`PostgresServer::database`].
    ///
    /// # Panics
    /// When it fails, or answers something else.
    pub async fn ask(&self, url: &str, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&mut self.connection(url).await).await.unwrap()
    }

    /// How a store connects to a database.
    pub fn options(url: &str) -> PostgresOptions {
        PostgresOptions::new(url).unwrap()
    }

    fn keep(&self, line: &str) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(keeper.1.as_mut().expect("the server was not stopped"), "{line}").unwrap();
    }

    /// Its process, and whether it takes connections: lines 1 and 8 of its file.
    fn postmaster(&self) -> Option<(u32, bool)> {
        let text = std::fs::read_to_string(self.directory.join("data/postmaster.pid")).ok()?;
        let id = text.lines().next()?.trim().parse().ok()?;
        Some((id, text.lines().nth(7).is_some_and(|status| status.trim() == "ready")))
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.1 = None;
        let _ = keeper.0.wait();
    }
}

/// A directory of the server's user.
fn directory() -> (PathBuf, Option<(u32, u32)>) {
    let directory = tempfile::Builder::new().prefix("stageway-pg-").tempdir().unwrap().keep();
    let user = unprivileged();
    if let Some((uid, gid)) = user {
        chown(&directory, Some(uid), Some(gid)).unwrap();
    }
    (directory, user)
}

/// Makes `key.pem` and a `certificate.pem` for `localhost` that vouches for itself.
fn certify(directory: &Path, user: Option<(u32, u32)>) {
    let config = "[req]\ndistinguished_name = name\nprompt = no\nx509_extensions = extensions\n[name]\nCN = localhost\n\
                  [extensions]\nsubjectAltName = DNS:localhost\nbasicConstraints = critical, CA:FALSE\n";
    std::fs::write(directory.join("openssl.cnf"), config).unwrap();
    let mut openssl = command(Path::new("openssl"), user);
    openssl.current_dir(directory).args(["req", "-x509", "-config", "openssl.cnf", "-days", "2", "-nodes"]);
    let made = openssl
        .args(["-newkey", "rsa:2048", "-keyout", "key.pem", "-out", "certificate.pem"])
        .output()
        .unwrap();
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}

/// Where Debian has the newest server, or whoever is in the path.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions
        .filter_map(|version| {
            Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path().join("bin")))
        })
        .filter(|(_, path)| path.join("initdb").exists() && path.join("postgres").exists())
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = || {
        std::env::split_paths(&path)
            .find(|path| path.join("initdb").exists() && path.join("postgres").exists())
    };
    let found = found.pop().map(|(_, path)| path).or_else(in_path);
    found.expect("a PostgreSQL server is missing: `engine/setup --tests` installs it")
}

/// The server does not run as root: then the user that Debian's package makes.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let line = line.expect("the user `postgres` is missing: `engine/setup --tests` makes it");
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// The processes whose parent this is.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| stat(*id).is_some_and(|(_, of)| of == parent)).collect()
}

/// State and parent of a process, by proc(5).
fn stat(id: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
