use super::{Answer, WorkTree, request};
use serde_json::{Value as Json, json};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The version that `tests/forge/setup` builds.
const VERSION: &str = "v1.26.0";
/// The account that owns everything.
const OWNER: &str = "root1";
const PASSWORD: &str = "Passw0rd!x";
/// The secret of the webhooks.
pub const SECRET: &str = "s3cret-for-tests";

/// A Gitea of its own on a free port of loopback, with the team `acme` and its empty repository `acme/demo`; ended when
/// dropped.
pub struct Gitea {
    served: Served,
    token: String,
    home: TempDir,
}

/// A process that serves; ended when dropped.
struct Served {
    address: String,
    process: Child,
}

impl Served {
    /// Whether it is this process that answers at its address, by the mark in its configuration.
    fn listens(&mut self, mark: u32) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(120) {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return false;
            }
            let settings = request(&self.address, "GET", "/api/v1/settings/api", &[], None);
            if settings.status == 200 {
                return settings.body["default_max_blob_size"] == mark;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }
}

/// Where `tests/forge/setup` puts what it builds.
fn made() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).expect("a home");
    let made = cache.join("stageway/forge").join(format!("gitea-{VERSION}"));
    assert!(made.join("complete").exists(), "the forge of the tests is not built: run `tests/forge/setup`");
    made
}

/// A number that no other forge of the tests has that runs at the same time; it is given as a size of blobs.
fn mark() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (10 << 20) + (std::process::id() << 8 & 0x0fff_ff00) + NEXT.fetch_add(1, Ordering::Relaxed) % 256
}

fn configuration(made: &Path, home: &Path, port: u16, mark: u32, token: &str) -> String {
    let (made, home) = (made.display(), home.display());
    format!(
        "WORK_PATH = {home}\nI_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true\n\
         [server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\n\
         STATIC_ROOT_PATH = {made}\nDISABLE_SSH = true\nOFFLINE_MODE = true\n\
         [database]\nDB_TYPE = sqlite3\nPATH = {home}/gitea.db\nSQLITE_JOURNAL_MODE = WAL\n\
         [security]\nINSTALL_LOCK = true\nSECRET_KEY = test-only\nINTERNAL_TOKEN = {token}\n\
         [api]\nDEFAULT_MAX_BLOB_SIZE = {mark}\n[webhook]\nALLOWED_HOST_LIST = loopback\n[service]\nDISABLE_REGISTRATION = true\n\
         [actions]\nENABLED = false\n[indexer]\nISSUE_INDEXER_TYPE = db\n[queue]\nTYPE = channel\n"
    )
}

impl Gitea {
    /// Sets one up and waits until it answers.
    ///
    /// # Panics
    /// If it is not built, or does not start.
    pub fn start() -> Self {
        let (made, home) = (made(), tempfile::tempdir().expect("a temporary directory"));
        let run = |arguments: &[&str]| told(command(&made, home.path()).args(arguments));
        let internal = run(&["generate", "secret", "INTERNAL_TOKEN"]);
        let internal = internal.lines().last().unwrap_or_default();
        // Somebody else may take the port before the forge does.
        for _ in 0..5 {
            let (port, mark) = (free_port(), mark());
            let text = configuration(&made, home.path(), port, mark, internal);
            fs::write(home.path().join("app.ini"), text).expect("a file");
            run(&["migrate"]);
            let mut web = command(&made, home.path());
            let process = web.arg("web").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let process = process.expect("the forge's binary runs");
            let mut served = Served { address: format!("127.0.0.1:{port}"), process };
            if served.listens(mark) {
                let mut gitea = Self { served, token: String::new(), home };
                gitea.settle(&made);
                return gitea;
            }
        }
        panic!("the forge does not start");
    }

    /// The account, its token, the team and the repository.
    fn settle(&mut self, made: &Path) {
        let run = |arguments: &[&str]| told(command(made, self.home.path()).args(arguments));
        let email = "--email=root1@example.invalid";
        let account = ["--username", OWNER, "--password", PASSWORD, email, "--must-change-password=false"];
        run(&[&["admin", "user", "create", "--admin"][..], &account].concat());
        let token = ["--username", OWNER, "--token-name", "t", "--scopes", "all", "--raw"];
        let said = run(&[&["admin", "user", "generate-access-token"][..], &token].concat());
        // When the machine is slow, it logs beside it what was.
        let token = said.lines().find(|line| line.len() == 40 && line.bytes().all(|b| b.is_ascii_hexdigit()));
        self.token = token.unwrap_or_else(|| panic!("no token is told: {said}")).to_owned();
        self.must("POST", "/orgs", &json!({"username": "acme"}));
        self.must("POST", "/orgs/acme/repos", &json!({"name": "demo", "default_branch": "main"}));
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.served.address
    }

    /// The owner's token, which may do everything.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// One request to its API, below `/api/v1`.
    pub fn api(&self, method: &str, path: &str, body: Option<&Json>) -> Answer {
        let token = format!("token {}", self.token);
        let path = format!("/api/v1{path}");
        request(self.address(), method, &path, &[("Authorization", &token)], body)
    }

    /// One that must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn must(&self, method: &str, path: &str, body: &Json) -> Json {
        let answer = self.api(method, path, Some(body));
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.body
    }

    /// A webhook of `acme/demo` for every event that matters, as JSON and signed with [`SECRET`]; its number.
    pub fn webhook(&self, url: &str) -> u64 {
        self.webhook_with(json!({"url": url, "content_type": "json", "secret": SECRET}))
    }

    /// The same with a configuration of its own.
    pub fn webhook_with(&self, config: Json) -> u64 {
        let events = ["push", "pull_request", "create", "delete", "release"];
        let body = json!({"type": "gitea", "active": true, "events": events, "branch_filter": "*", "config": config});
        let made = self.must("POST", "/repos/acme/demo/hooks", &body);
        made["id"].as_u64().expect("a webhook has a number")
    }

    /// Where `acme/demo` is cloned from and pushed to, with the owner's token.
    pub fn remote(&self) -> String {
        self.remote_of(OWNER, &self.token, "acme/demo")
    }

    /// The same for another account and repository.
    pub fn remote_of(&self, account: &str, password: &str, repository: &str) -> String {
        format!("http://{account}:{password}@{}/{repository}.git", self.address())
    }

    /// Another account, which may read `acme/demo` and no more; answers its password.
    pub fn stranger(&self, name: &str) -> &'static str {
        let email = format!("{name}@example.invalid");
        let body =
            json!({"username": name, "email": email, "password": PASSWORD, "must_change_password": false});
        self.must("POST", "/admin/users", &body);
        PASSWORD
    }

    /// The state of a context of a commit of `acme/demo` once it is one of a run that has ended.
    ///
    /// # Errors
    /// Every status of the commit, when the time is over.
    pub fn ended(&self, revision: &str, context: &str, within: Duration) -> Result<String, Json> {
        let begun = Instant::now();
        loop {
            let told = self.api("GET", &format!("/repos/acme/demo/commits/{revision}/statuses"), None).body;
            let mine = told.as_array().into_iter().flatten().filter(|status| status["context"] == context);
            // Those of one second are listed in any order.
            let mine = mine.max_by_key(|status| status["id"].as_u64());
            match mine.and_then(|status| status["status"].as_str()) {
                Some("pending") | None => {}
                Some(state) => return Ok(state.to_owned()),
            }
            if begun.elapsed() >= within {
                return Err(told);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// A work tree whose origin is `acme/demo`.
    pub fn work_tree(&self) -> WorkTree {
        WorkTree::new(&self.remote())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(made: &Path, home: &Path) -> Command {
    let mut command = Command::new(made.join("gitea"));
    command.arg("-w").arg(home).arg("-c").arg(home.join("app.ini")).env("HOME", home).current_dir(home);
    command.stdin(Stdio::null());
    command
}

/// The last line that it wrote: warnings come before it.
fn told(command: &mut Command) -> String {
    let output = command.output().expect("the forge's binary runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
