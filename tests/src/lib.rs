//! What the black-box tests share: the built binary, a state directory each, and work trees made for one test.

use serde_json::Value as Json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// An installation of its own: a state directory and the plugins that the test command built.
pub struct Installation {
    state: TempDir,
}

/// What `stageway run --json` said.
#[derive(Debug)]
pub struct Told {
    /// The exit code.
    pub exit: i32,
    /// Every object, in order.
    pub events: Vec<Json>,
    /// What went to standard error.
    pub complaints: String,
}

/// The directory that holds the binary under test.
fn built() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    own.ancestors().nth(2).expect("a test lies in target/PROFILE/deps").to_owned()
}

/// The binary under test.
pub fn binary() -> PathBuf {
    let binary = built().join("stageway");
    assert!(binary.exists(), "{} is missing: run the tests with `tests/run`", binary.display());
    binary
}

/// The root of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project").to_owned()
}

impl Installation {
    /// A new one with an empty state directory.
    pub fn new() -> Self {
        Self { state: tempfile::tempdir().expect("a temporary directory") }
    }

    /// Its state directory.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The command, ready for its arguments.
    pub fn stageway(&self, tree: &Path) -> Command {
        let mut command = Command::new(binary());
        command
            .current_dir(tree)
            .env("STAGEWAY_STATE", self.state())
            .env("STAGEWAY_PLUGINS", built().join("plugins"));
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn output(&self, tree: &Path, arguments: &[&str]) -> Output {
        self.stageway(tree).args(arguments).output().expect("the binary starts")
    }

    /// `stageway run --json` and more arguments, to its end.
    pub fn run(&self, tree: &Path, arguments: &[&str]) -> Told {
        let output =
            self.stageway(tree).arg("run").arg("--json").args(arguments).output().expect("the binary starts");
        told(&output)
    }

    /// The same, left to itself.
    pub fn start(&self, tree: &Path) -> Child {
        let mut command = self.stageway(tree);
        command.args(["run", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
        command.spawn().expect("the binary starts")
    }
}

impl Default for Installation {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads what a run said.
pub fn told(output: &Output) -> Told {
    let text = String::from_utf8_lossy(&output.stdout);
    let events = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    Told {
        exit: output.status.code().unwrap_or(-1),
        events,
        complaints: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Told {
    /// The last object.
    pub fn end(&self) -> &Json {
        self.events.iter().find(|event| event["type"] == "end").unwrap_or_else(|| panic!("no end: {self:#?}"))
    }

    /// A stage of the last object.
    pub fn stage(&self, name: &str) -> &Json {
        &self.end()["stages"][name]
    }

    /// The texts of all lines of a stage.
    pub fn lines(&self, stage: &str) -> Vec<String> {
        let lines =
            self.events.iter().filter(|event| event["type"] == "line" && event["line"]["stage"] == stage);
        lines.map(|event| event["line"]["text"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A work tree with these files; scripts are executable.
pub fn tree(files: &[(&str, &str)]) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let tree = tempfile::tempdir().expect("a temporary directory");
    for (path, text) in files {
        let path = tree.path().join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        if path.extension().is_some_and(|extension| extension == "sh") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        }
    }
    tree
}

/// The example as somebody clones it: the files that git tracks, in a repository of their own.
pub fn orderbook() -> TempDir {
    let clone = tempfile::tempdir().expect("a temporary directory");
    let listed =
        Command::new("git").args(["ls-files", "-z", "examples/orderbook"]).current_dir(root()).output();
    let listed = listed.expect("git runs").stdout;
    for file in String::from_utf8(listed).expect("names in UTF-8").split('\0').filter(|name| !name.is_empty())
    {
        let to =
            clone.path().join(Path::new(file).strip_prefix("examples/orderbook").expect("below the example"));
        fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("a folder");
        fs::copy(root().join(file), &to).expect("a copy");
    }
    for arguments in [
        &["init", "--quiet", "--initial-branch", "main"][..],
        &["add", "--all"],
        &[
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.invalid",
            "commit",
            "--quiet",
            "--message",
            "all",
        ],
    ] {
        let done = Command::new("git").args(arguments).current_dir(clone.path()).status().expect("git runs");
        assert!(done.success(), "git {arguments:?}");
    }
    clone
}
