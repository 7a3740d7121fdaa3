//! The binary as a server, with a repository of its own.

use super::client::SECRET;
use crate::cost::memory;
use crate::{Bench, plugins};
use anyhow::{Context as _, Result, ensure};
use stageway_core::name::TenantId;
use stageway_ports::{RunFilter, RunRecord, Store as _};
use stageway_stores::{FsBlobs, SqliteStore};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A place for a server: state, plugins, a repository and its configuration.
pub(crate) struct Place {
    directory: TempDir,
    binary: PathBuf,
}

/// A server that runs; ended when dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// What is said of its memory under a name, in bytes.
    pub(crate) fn memory(&self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        memory(&status, name)
    }
}

impl Place {
    /// A repository with this pipeline on `main`, whose first commit is answered.
    pub(crate) fn new(bench: &Bench, pipeline: &str) -> Result<(Self, String)> {
        Self::with(bench, pipeline, "")
    }

    /// With more lines of configuration.
    pub(crate) fn with(bench: &Bench, pipeline: &str, more: &str) -> Result<(Self, String)> {
        let mut directory = tempfile::tempdir_in(&bench.directory)?;
        directory.disable_cleanup(true);
        let place = Self { directory, binary: bench.binary.clone() };
        for folder in ["plugins", "work", "state"] {
            fs::create_dir(place.path(folder))?;
        }
        for (name, bytes) in [
            ("pure", plugins::pure()),
            ("task", plugins::task()),
            (plugins::NAP, plugins::sleeps(plugins::NAP, 9_500)),
            (plugins::HOUR, plugins::sleeps(plugins::HOUR, 3_600_000)),
        ] {
            fs::write(place.path("plugins").join(name).with_extension("wasm"), bytes)?;
        }
        place.git(&["init", "--quiet", "--initial-branch", "main"])?;
        fs::write(place.path("config.yaml"), place.configuration() + more)?;
        let first = place.commit(pipeline)?;
        Ok((place, first))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn configuration(&self) -> String {
        format!(
            "forges: {{ git: {{ kind: gitea, api: \"http://127.0.0.1:9/api/v1\" }} }}
repositories: {{ bench: {{ forge: git, name: acme/bench, clone: {}, protected: [\"**\"] }} }}
webhooks: {{ bench: {{ repositories: bench, secrets: env:SECRET, deliveries-a-minute: 1000000 }} }}
",
            self.path("work").display()
        )
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("git")
            .args(["-c", "user.name=bench", "-c", "user.email=bench@example.invalid"])
            .args(arguments)
            .current_dir(self.path("work"))
            .output()?;
        ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Commits a pipeline; answers the commit.
    pub(crate) fn commit(&self, pipeline: &str) -> Result<String> {
        fs::write(self.path("work").join("stageway.yaml"), pipeline)?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change"])?;
        self.git(&["rev-parse", "HEAD"])
    }

    /// Commits pipelines one after the other, each the head of a branch: a prefix and a number; answers the commits. By one
    /// process, which leaves no files behind that were deleted: some file systems remember those for minutes, and are slower.
    pub(crate) fn commits(
        &self,
        prefix: &str,
        pipelines: impl Iterator<Item = String>,
    ) -> Result<Vec<String>> {
        let (at, mut parent) =
            (SystemTime::now().duration_since(UNIX_EPOCH)?, "refs/heads/main^0".to_owned());
        self.feed(&["fast-import", "--quiet"], |input| {
            for (number, pipeline) in pipelines.enumerate() {
                let branch = format!("refs/heads/{prefix}{number}");
                write!(
                    input,
                    "commit {branch}\ncommitter bench <bench@example.invalid> {} +0000\ndata 8\na change\n\
                     from {parent}\nM 100644 inline stageway.yaml\ndata {}\n{pipeline}\n",
                    at.as_secs(),
                    pipeline.len(),
                )?;
                parent = branch;
            }
            write!(input, "reset refs/heads/main\nfrom {parent}\n")
        })?;
        let branches = format!("refs/heads/{prefix}*");
        let heads = ["for-each-ref", "--sort=version:refname", "--format=%(objectname)", &branches];
        Ok(self.git(&heads)?.lines().map(str::to_owned).collect())
    }

    /// Makes branches of a commit, all at once: a prefix and a number each.
    pub(crate) fn branches(&self, prefix: &str, numbers: Range<u64>, commit: &str) -> Result<()> {
        self.feed(&["update-ref", "--stdin"], |input| {
            for number in numbers {
                writeln!(input, "create refs/heads/{prefix}{number} {commit}")?;
            }
            Ok(())
        })
    }

    /// Runs git with an input.
    fn feed(&self, arguments: &[&str], write: impl FnOnce(&mut ChildStdin) -> io::Result<()>) -> Result<()> {
        let mut git = Command::new("git")
            .args(arguments)
            .current_dir(self.path("work"))
            .stdin(Stdio::piped())
            .spawn()?;
        let mut input = git.stdin.take().context("its input")?;
        write(&mut input)?;
        drop(input);
        ensure!(git.wait()?.success(), "git {arguments:?} failed");
        Ok(())
    }

    /// Writes to the disk what was prepared, so that whoever flushes next does not wait for that too.
    pub(crate) fn flush(&self) -> Result<()> {
        let done = Command::new("sync").arg("--file-system").arg(self.directory.path()).status()?;
        ensure!(done.success(), "sync failed");
        Ok(())
    }

    /// Starts a server; it listens when this returns.
    pub(crate) fn start(&self, arguments: &[&str]) -> Result<Server> {
        let mut child = Command::new(&self.binary)
            .args(["--config", "config.yaml", "serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .current_dir(self.directory.path())
            .env("STAGEWAY_STATE", self.path("state"))
            .env("STAGEWAY_PLUGINS", self.path("plugins"))
            .env("SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let address = line.trim().rsplit(' ').next().and_then(|address| address.parse().ok());
        Ok(Server { address: address.with_context(|| format!("no address in {line:?}"))?, child })
    }

    /// What it keeps, read beside the server.
    pub(crate) async fn store(&self) -> Result<SqliteStore> {
        let state = self.path("state");
        Ok(SqliteStore::open(state.join("stageway.db"), Arc::new(FsBlobs::open(state.join("blobs"))?))
            .await?)
    }
}

/// The newest run once it is number `number` and has ended.
pub(crate) async fn ended(store: &SqliteStore, number: u64, within: Duration) -> Result<RunRecord> {
    let tenant = TenantId::local();
    let begun = Instant::now();
    loop {
        let runs = store.runs(&tenant, &RunFilter { max: 1, ..RunFilter::default() }).await?;
        if let Some(run) = runs.first()
            && run.number >= number
            && run.ended_at.is_some()
        {
            return store.run(&tenant, &run.id).await?.context("a run that is listed");
        }
        ensure!(begun.elapsed() < within, "run {number} does not end: {runs:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How many runs have not ended.
pub(crate) async fn unfinished(store: &SqliteStore) -> Result<usize> {
    let filter = RunFilter { unfinished: true, max: 100_000, ..RunFilter::default() };
    Ok(store.runs(&TenantId::local(), &filter).await?.len())
}

/// The body of a push as Gitea sends it.
pub(crate) fn pushed(branch: &str, after: &str) -> String {
    serde_json::json!({
        "ref": format!("refs/heads/{branch}"), "before": "0".repeat(40), "after": after, "commits": [],
        "repository": { "id": 1, "full_name": "acme/bench", "name": "bench" },
        "pusher": { "login": "bench" }, "sender": { "login": "bench" },
    })
    .to_string()
}
