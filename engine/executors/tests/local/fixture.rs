//! A state directory with its supervisor, and tasks by shell script.

use stageway_core::name::TaskName;
use stageway_core::task::{CacheMount, TaskEnding, TaskSpec};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_executors::local::{LocalExecutor, LocalOptions, SupervisorOptions};
use stageway_ports::contract::executor::{ending, output, process, spec};
use stageway_ports::memory::DirectoryBlobs;
use stageway_ports::{Blobs, Executor, SecretValues};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const IDLE_MS: &str = "300";

/// Runs a test.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// This executable as a supervisor.
pub fn supervise(state: &str, blobs: &str, idle: &str) -> ExitCode {
    let options = SupervisorOptions {
        state: state.into(),
        blobs: Arc::new(DirectoryBlobs::new(blobs)),
        toolbox: toolbox(),
        cargo_home: Some(cargo_home()),
        zygote: ["/proc/self/exe", "supervisor", "zygote"].map(OsString::from).to_vec(),
        parallel: 4,
        idle: Duration::from_millis(idle.parse().unwrap()),
    };
    match block_on(stageway_executors::local::supervise(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn toolbox() -> Vec<PathBuf> {
    let found = [cargo_home().join("bin"), home().join(".rustup")].into_iter();
    found.filter(|path| path.exists()).collect()
}

fn home() -> PathBuf {
    PathBuf::from(std::env::var_os("HOME").unwrap_or_default())
}

/// Where cargo, which builds these tests, keeps the crates that they need.
pub fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from)
}

/// This executable as an engine: ensures one task by shell script, says so, and waits to be killed.
pub fn engine(state: &str, blobs: &str, task: &str, script: &str) -> ExitCode {
    block_on(async {
        let executor = executor(Path::new(state), Path::new(blobs));
        let name = TaskName::new(task).unwrap();
        let spec = counted(task, script);
        executor.ensure(&name, &spec, &SecretValues::default()).await.unwrap();
        println!("ensured");
        ending(&executor, &name).await;
    });
    ExitCode::SUCCESS
}

/// A task that is a shell script.
pub fn shell(script: &str) -> TaskSpec {
    spec(process(&["sh", "-c", script]))
}

/// A task that first counts itself, in the only place it shares with the outside: a cache.
pub fn counted(name: &str, script: &str) -> TaskSpec {
    let mut spec = shell(&format!("echo start >> /count/{name}; {script}"));
    let (name, path) = ("count".to_owned(), "/count".to_owned());
    spec.caches = vec![CacheMount { name, path, scope: "protected".into(), writable: true }];
    spec
}

fn executor(state: &Path, blobs: &Path) -> LocalExecutor {
    executor_by(&[], state, blobs)
}

/// An executor whose supervisor is started by another command.
fn executor_by(command: &[&str], state: &Path, blobs: &Path) -> LocalExecutor {
    let program = std::env::current_exe().unwrap();
    let command = command.iter().map(OsString::from);
    let arguments =
        [program.as_os_str(), "supervisor".as_ref(), state.as_os_str(), blobs.as_os_str(), IDLE_MS.as_ref()];
    LocalExecutor::new(LocalOptions {
        state: state.to_owned(),
        supervisor: command.chain(arguments.map(OsString::from)).collect(),
        toolbox: toolbox(),
        start_within: Duration::from_secs(20),
    })
}

/// A state directory of its own.
pub struct Local {
    directory: tempfile::TempDir,
    pub executor: LocalExecutor,
    pub blobs: DirectoryBlobs,
}

impl Local {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (state, blobs) = (directory.path().join("state"), directory.path().join("blobs"));
        Self { executor: executor(&state, &blobs), blobs: DirectoryBlobs::new(blobs), directory }
    }

    /// One whose supervisor is started by another command.
    pub fn by(command: &[&str]) -> Self {
        let mut local = Self::new();
        local.executor = executor_by(command, &local.state(), &local.blobs_path());
        local
    }

    /// Another engine on the same state directory.
    pub fn another(&self) -> LocalExecutor {
        executor(&self.state(), &self.blobs_path())
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn blobs_path(&self) -> PathBuf {
        self.directory.path().join("blobs")
    }

    /// What tasks wrote into the cache that counts.
    pub fn count(&self, name: &str) -> PathBuf {
        self.state().join("caches/protected/count").join(name)
    }

    /// How often a counted task was started.
    pub fn starts(&self, name: &str) -> usize {
        lines(&self.count(name))
    }

    pub async fn start(&self, name: &str, spec: &TaskSpec) -> TaskName {
        let name = TaskName::new(name).unwrap();
        self.executor.ensure(&name, spec, &SecretValues::default()).await.unwrap();
        name
    }

    /// Runs a task to its end, and answers its output too.
    pub async fn run(&self, name: &str, spec: &TaskSpec) -> (TaskEnding, String) {
        let name = self.start(name, spec).await;
        let ending = ending(&self.executor, &name).await;
        (ending, output(&self.executor, &name, 1 << 20).await)
    }

    /// Stores a tree of files.
    pub async fn tree(&self, files: &[(&str, &str)]) -> stageway_core::digest::Digest {
        let mut tree = Tree::default();
        for (path, text) in files {
            let content = self.blobs.put(text.as_bytes().to_vec()).await.unwrap();
            let executable = text.starts_with("#!");
            tree.insert(WorkspacePath::new(*path).unwrap(), Node::File { content, executable });
        }
        self.blobs.put(tree.encode()).await.unwrap().digest
    }

    /// The pid of the supervisor, which holds the lock.
    pub fn supervisor(&self) -> Option<i32> {
        let lock = fs::canonicalize(self.state().join("supervisor.lock")).ok()?;
        let pids = fs::read_dir("/proc")
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.into_iter().find(|pid: &i32| {
            let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            fds.filter_map(|fd| fs::read_link(fd.path()).ok()).any(|target| target == lock)
        })
    }

    /// Kills the supervisor without a warning.
    pub fn kill_supervisor(&self) {
        kill(self.supervisor().unwrap());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        // It ends by itself shortly after its last task; the directory may only go after that.
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.supervisor().is_some() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // A test that failed may have left a task that runs for ever.
        if let Some(supervisor) = self.supervisor() {
            kill(supervisor);
        }
    }
}

/// `kill -9`, and waits until it is gone.
pub fn kill(pid: i32) {
    let raw = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(raw, rustix::process::Signal::KILL).unwrap();
    until("the process is gone", || {
        fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
}

/// Waits for something that has to become so.
pub fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what} does not become so");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many lines a file has.
pub fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}
