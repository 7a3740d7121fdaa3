//! A repository, a forge, a server, and how deliveries reach it.

use crate::forge::ScriptedForge;
use serde_json::{Value as Json, json};
use stageway_tests::Installation;
pub(crate) use stageway_tests::server::{Answer, Server};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "a secret of the tests";
pub(crate) const CONTEXT: &str = "stageway/demo/push";
const ZERO: &str = "0000000000000000000000000000000000000000";

const PIPELINE: &str = "pipeline: demo
on: { push: { paths: [\"src/**\"] } }
stages:
  check:
    uses: stageway/unit-test@1
    inputs: [\"ci/**\"]
    with: { command: [./ci/check.sh] }
";

pub(crate) struct World {
    pub(crate) installation: Installation,
    pub(crate) forge: ScriptedForge,
    place: TempDir,
}

/// HMAC-SHA256 in hex, by Python.
pub(crate) fn sign(secret: &str, body: &[u8]) -> String {
    let code = "import hmac, sys; print(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), 'sha256').hexdigest())";
    let mut python = Command::new("python3")
        .args(["-c", code, secret])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    python.stdin.take().expect("its input").write_all(body).expect("it reads");
    let output = python.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout).expect("hex").trim().to_owned()
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=test", "-c", "user.email=test@example.invalid"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more lines of configuration.
    pub(crate) fn with(more: &str) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        let world = Self { installation: Installation::new(), forge: ScriptedForge::start(), place };
        git(world.place.path(), &["init", "--quiet", "--bare", "--initial-branch", "main", "demo.git"]);
        git(world.place.path(), &["init", "--quiet", "--initial-branch", "main", "work"]);
        world.write("stageway.yaml", PIPELINE);
        world.write("ci/check.sh", "#!/bin/sh\nexit 0\n");
        git(&world.work(), &["update-index", "--add", "--chmod=+x", "ci/check.sh"]);
        let configuration = format!("{}{more}", world.configuration());
        fs::write(world.folder().join("config.yaml"), configuration).expect("the configuration");
        world
    }

    fn configuration(&self) -> String {
        let (port, clone) = (self.forge.port, self.place.path().join("demo.git"));
        format!(
            "forges:
  git: {{ kind: gitea, api: \"http://127.0.0.1:{port}/api/v1\", token: env:TOKEN }}
  hub: {{ kind: github, api: \"http://127.0.0.1:{port}\" }}
egress: {{ allow: [\"127.0.0.1:{port}\"] }}
repositories:
  demo: {{ forge: git, name: acme/demo, clone: {}, protected: [main] }}
  hello: {{ forge: hub, name: Codertocat/Hello-World, clone: /nowhere/hello.git }}
webhooks:
  hub: {{ repositories: hello, secrets: env:SECRET }}
  demo: {{ repositories: demo, secrets: [env:SECRET, env:OTHER_SECRET] }}
  off: {{ repositories: demo, secrets: env:SECRET, enabled: false }}
  slow: {{ repositories: demo, secrets: env:SECRET, deliveries-a-minute: 2 }}
",
            clone.display()
        )
    }

    /// Where everything of it lies.
    pub(crate) fn folder(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.place.path().join("work")
    }

    /// Writes a file of the work tree and adds it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.work().join(path);
        fs::create_dir_all(file.parent().expect("a file lies in a folder")).expect("a folder");
        fs::write(file, text).expect("a file");
        git(&self.work(), &["add", path]);
    }

    /// Copies a file into the work tree and adds it.
    pub(crate) fn copy(&self, path: &str, from: &Path) {
        self.write(path, "");
        fs::copy(from, self.work().join(path)).expect("a file");
        git(&self.work(), &["add", path]);
    }

    /// Commits what was written; answers the commit.
    pub(crate) fn commit(&self, path: &str, text: &str) -> String {
        self.write(path, text);
        git(&self.work(), &["commit", "--quiet", "--message", "a change"]);
        git(&self.work(), &["rev-parse", "HEAD"])
    }

    /// The next commit follows this one.
    pub(crate) fn go_back(&self, revision: &str) {
        git(&self.work(), &["reset", "--quiet", "--hard", revision]);
    }

    /// Pushes a commit to a branch, by force.
    pub(crate) fn push(&self, revision: &str, branch: &str) {
        let spec = format!("+{revision}:refs/heads/{branch}");
        git(&self.work(), &["push", "--quiet", "../demo.git", &spec]);
    }

    pub(crate) fn start(&self) -> Server {
        Server::start(self.serve())
    }

    /// Another server with the same configuration and a state directory of its own.
    pub(crate) fn start_replica(&self, name: &str) -> Server {
        let mut stageway = self.serve();
        stageway.env("STAGEWAY_STATE", self.folder().join(name));
        Server::start(stageway)
    }

    fn serve(&self) -> Command {
        let mut stageway = self.installation.stageway(self.folder());
        stageway.envs([("TOKEN", "t"), ("SECRET", SECRET), ("OTHER_SECRET", "the one before")]);
        stageway
    }

    /// The body of a push as Gitea sends it; an empty revision is none.
    pub(crate) fn pushed(&self, branch: &str, before: &str, after: &str) -> Vec<u8> {
        let or_zero =
            |revision: &str| if revision.is_empty() { ZERO.to_owned() } else { revision.to_owned() };
        let body = json!({
            "ref": format!("refs/heads/{branch}"),
            "before": or_zero(before),
            "after": or_zero(after),
            "repository": { "id": 1, "full_name": "acme/demo", "name": "demo" },
            "pusher": { "login": "ada", "username": "ada" },
            "sender": { "login": "ada", "username": "ada" },
            "commits": [],
        });
        serde_json::to_vec_pretty(&body).expect("JSON")
    }

    /// Delivers a push under an id.
    pub(crate) fn deliver(&self, server: &Server, id: &str, body: &[u8]) -> Answer {
        self.deliver_to(server, "demo", id, body)
    }

    /// Delivers a push to a webhook.
    pub(crate) fn deliver_to(&self, server: &Server, webhook: &str, id: &str, body: &[u8]) -> Answer {
        let (path, signature) = (format!("/webhooks/{webhook}"), sign(SECRET, body));
        server.request("POST", &path, &headers("push", id, &signature), body)
    }

    /// What is shown of a run.
    pub(crate) fn show(&self, run: usize) -> String {
        self.installation.said(self.folder(), &["--config", "config.yaml", "show", &run.to_string()])
    }

    /// Waits until something is so; answers how long that took.
    pub(crate) fn until(&self, what: &str, is: impl Fn() -> bool) -> Duration {
        let begun = Instant::now();
        while !is() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: that does not become so");
            sleep(Duration::from_millis(100));
        }
        begun.elapsed()
    }

    /// Says yes to the question of a stage.
    pub(crate) fn approve(&self, run: usize, stage: &str) {
        let run = run.to_string();
        let arguments = ["--config", "config.yaml", "approve", &run, stage];
        let output = self.installation.output(self.folder(), &arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The runs that the store has, oldest first, by `stageway runs`.
    pub(crate) fn runs(&self) -> Vec<Json> {
        let output = self
            .installation
            .output(self.place.path(), &["--config", "config.yaml", "runs", "--json", "--max", "10000"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut runs: Vec<Json> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect();
        runs.reverse();
        runs
    }
}

pub(crate) fn headers<'a>(event: &'a str, id: &'a str, signature: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("Content-Type", "application/json"),
        ("X-Gitea-Event", event),
        ("X-Gitea-Delivery", id),
        ("X-Gitea-Signature", signature),
    ]
}
