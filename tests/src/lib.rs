//! What the black-box tests share: the built binary, a state directory each, work trees made for one test, and a real forge.

pub mod cluster;
pub mod forge;
mod guests;
pub mod hook;
pub mod killing;
pub mod kubectl;
pub mod loopback;
pub mod passage;
pub mod processes;
pub mod prometheus;
pub mod registry;
pub mod server;
pub mod taken;

pub use guests::{copy, from_wit, guest, guests};

use serde_json::Value as Json;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// An installation of its own: a state directory and the plugins that the test command built.
pub struct Installation {
    state: TempDir,
    /// Where `stageway/config.yaml` lies, if there is one.
    configuration: TempDir,
    /// Where it finds plugins.
    plugins: PathBuf,
}

/// A run that goes on, with what it says.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Json>,
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
        Self::with_plugins("plugins")
    }

    /// A new one that finds the guests of the tests instead of the first-party plugins.
    pub fn of_guests() -> Self {
        Self::with_plugins("guests")
    }

    fn with_plugins(folder: &str) -> Self {
        let plugins = built().join(folder);
        let folder = || tempfile::tempdir().expect("a temporary directory");
        Self { state: folder(), configuration: folder(), plugins }
    }

    /// A new one of the same kind, where everything that this one has compiled is compiled already.
    pub fn warm(&self) -> Self {
        let mut warm = Self::new();
        warm.plugins.clone_from(&self.plugins);
        let from = self.state().join("compiled");
        let copied =
            Command::new("cp").arg("--recursive").args([&from, &warm.state().join("compiled")]).status();
        assert!(copied.expect("cp runs").success(), "{} is copied", from.display());
        warm
    }

    /// One with an operator's configuration, and files beside it such as a policy.
    pub fn configured(configuration: &str, beside: &[(&str, &str)]) -> Self {
        let installation = Self::new();
        installation.configure(configuration, beside);
        installation
    }

    /// Gives it an operator's configuration, and files beside it.
    pub fn configure(&self, configuration: &str, beside: &[(&str, &str)]) {
        let folder = self.configuration.path().join("stageway");
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in [("config.yaml", configuration)].iter().chain(beside) {
            fs::write(folder.join(name), text).expect("a file");
        }
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
            .env("XDG_CONFIG_HOME", self.configuration.path())
            .env("STAGEWAY_PLUGINS", &self.plugins);
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
    pub fn start(&self, tree: &Path) -> Running {
        self.start_with(tree, &[], &[])
    }

    /// The same with more arguments and with variables of the environment.
    pub fn start_with(&self, tree: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut command = self.stageway(tree);
        command.args(["run", "--json"]).args(arguments).envs(variables.iter().copied());
        Running::start(command)
    }

    /// `stageway resume --json`, left to itself.
    pub fn go_on(&self, tree: &Path) -> Running {
        let mut command = self.stageway(tree);
        command.args(["resume", "--json"]);
        Running::start(command)
    }

    /// What a command says on standard output, as one JSON value.
    pub fn json(&self, tree: &Path, arguments: &[&str]) -> Json {
        let output = self.output(tree, arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {output:?}"))
    }

    /// What a command says, both streams together.
    pub fn said(&self, tree: &Path, arguments: &[&str]) -> String {
        let output = self.output(tree, arguments);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Default for Installation {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Installation {
    /// The supervisor ends when it has nothing to do; a test that failed half-way leaves it something.
    fn drop(&mut self) {
        let state = self.state().display().to_string();
        for (process, words) in processes() {
            if words.iter().any(|word| word == "supervisor")
                && words.iter().any(|word| word.starts_with(&state))
            {
                let _ = Command::new("kill").args(["-9", &process]).status();
            }
        }
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines, seen: Vec::new() }
    }

    /// Its process, for signals.
    pub fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// Reads until it says what is wanted.
    ///
    /// # Panics
    /// When it ends before that.
    pub fn until(&mut self, is: impl Fn(&Json) -> bool) -> &Json {
        loop {
            let line = self.lines.next().unwrap_or_else(|| panic!("it ended after {:#?}", self.seen));
            let event: Json = serde_json::from_str(&line.expect("text")).expect("JSON");
            self.seen.push(event);
            if is(&self.seen[self.seen.len() - 1]) {
                return &self.seen[self.seen.len() - 1];
            }
        }
    }

    /// Reads until a stage writes a line that begins like this.
    pub fn until_line(&mut self, beginning: &str) -> &Json {
        self.until(|event| event["line"]["text"].as_str().is_some_and(|text| text.starts_with(beginning)))
    }

    /// Reads until something happens to the run: an event of this kind.
    pub fn until_event(&mut self, kind: &str) -> &Json {
        self.until(|event| event["event"]["kind"] == kind)
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("it is gone");
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.process()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Reads to its end.
    pub fn end(mut self) -> Told {
        for line in self.lines.by_ref() {
            self.seen.push(serde_json::from_str(&line.expect("text")).expect("JSON"));
        }
        let exit = self.child.wait().expect("it ends").code().unwrap_or(-1);
        Told { exit, events: self.seen, complaints: String::new() }
    }
}

/// Every process of this machine: its number and its command line.
pub fn processes() -> Vec<(String, Vec<String>)> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let numbers = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbers = numbers.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let words = |number: &String| -> Vec<String> {
        let bytes = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).split('\0').map(str::to_owned).collect()
    };
    numbers.map(|number| (number.clone(), words(&number))).collect()
}

/// A pipeline of one stage that runs `./check.sh` with the first-party plugin for tests; `more` are lines of the stage.
pub fn one_stage(more: &str) -> String {
    stages(&["check"], more)
}

/// A pipeline of stages that follow one another; each runs the script of its name with the first-party plugin for tests.
/// `more` are lines of the last.
pub fn stages(names: &[&str], more: &str) -> String {
    let mut text = "pipeline: small\non: { push: { branches: [main] } }\nstages:\n".to_owned();
    let mut needs = String::new();
    for name in names {
        text += &format!(
            "  {name}:\n    uses: stageway/unit-test@1\n{needs}    with: {{ command: [./{name}.sh] }}\n"
        );
        needs = format!("    needs: [{name}]\n");
    }
    text + &more.lines().map(|line| format!("    {line}\n")).collect::<String>()
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
        if text.starts_with("#!") {
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
    committed(clone.path());
    clone
}

/// Makes a repository of a folder, with everything in its first commit.
pub fn committed(folder: &Path) {
    let author = ["-c", "user.name=test", "-c", "user.email=test@example.invalid"];
    let commit = [&author[..], &["commit", "--quiet", "--message", "all"]].concat();
    for arguments in [&["init", "--quiet", "--initial-branch", "main"][..], &["add", "--all"], &commit] {
        let done = Command::new("git").args(arguments).current_dir(folder).status().expect("git runs");
        assert!(done.success(), "git {arguments:?}");
    }
}

/// A folder with the first-party plugins and `acme/probe`, built once for a process.
pub fn plugins_with_probe() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = built().join("plugins-with-probe");
        fs::create_dir_all(&folder).expect("a folder");
        for entry in fs::read_dir(built().join("plugins")).expect("the plugins that `engine/build` built") {
            let from = entry.expect("an entry").path();
            fs::copy(&from, folder.join(from.file_name().expect("a name"))).expect("a copy");
        }
        let mut build = Command::new(binary());
        build.args(["plugin", "build"]).arg(root().join("tests/guests/probe")).arg("--output").arg(&folder);
        let output = build.stdin(Stdio::null()).output().expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    })
}

/// What is said when these words are not in a text.
///
/// # Panics
/// Then.
pub fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
}
