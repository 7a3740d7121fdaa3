//! One test binary: what is in it, and how each of its tests ends.

use std::{
    error::Error,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::report::{Case, Outcome};

/// The end of a test's output that is kept, in bytes.
const KEPT: u64 = 64 * 1024;

/// A test binary.
#[derive(Debug)]
pub(crate) struct Suite {
    name: String,
    binary: PathBuf,
    /// The directory of its package, where cargo runs tests too.
    directory: PathBuf,
}

/// Builds the tests of a `cargo test` command without running them. None when they do not build.
pub(crate) fn build(command: &[String]) -> Result<Option<Vec<Suite>>, Box<dyn Error>> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let output = Command::new(program)
        .args(arguments)
        .args(["--no-run", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    if !output.status.success() {
        return Ok(None);
    }
    let mut suites = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        suites.extend(Suite::of_message(&serde_json::from_str(line)?));
    }
    Ok(Some(suites))
}

impl Suite {
    /// The test binary that one of cargo's messages tells of, if it does.
    fn of_message(message: &Value) -> Option<Self> {
        let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
        let binary = is_test.then(|| message["executable"].as_str())??.into();
        let directory = Path::new(message["manifest_path"].as_str()?).parent()?.into();
        Some(Self { name: message["target"]["name"].as_str()?.into(), binary, directory })
    }

    /// Runs every test and tells of it on standard output.
    pub(crate) fn run(
        &self,
        output: &Path,
        patience: Duration,
        cases: &mut Vec<Case>,
    ) -> Result<(), Box<dyn Error>> {
        let ignored = self.list(&["--ignored"])?;
        for name in self.list(&[])? {
            let case = if ignored.contains(&name) {
                Case { suite: self.name.clone(), name, took: Duration::ZERO, outcome: Outcome::Skipped }
            } else {
                self.run_one(name, output, patience)?
            };
            case.print();
            cases.push(case);
        }
        Ok(())
    }

    fn list(&self, more: &[&str]) -> Result<Vec<String>, Box<dyn Error>> {
        let output = self.command().args(["--list", "--format", "terse"]).args(more).output()?;
        if !output.status.success() {
            return Err(format!("{} does not list its tests: {}", self.name, output.status).into());
        }
        let lines = String::from_utf8(output.stdout)?;
        Ok(lines.lines().filter_map(|line| line.strip_suffix(": test")).map(String::from).collect())
    }

    fn run_one(&self, name: String, output: &Path, patience: Duration) -> io::Result<Case> {
        let file = File::create(output)?;
        let start = Instant::now();
        let child = self
            .command()
            .args(["--exact", &name, "--nocapture", "--test-threads=1"])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let status = wait(child, start + patience)?;
        let outcome = match status {
            Some(status) if status.success() => Outcome::Passed,
            Some(status) => Outcome::Failed { reason: status.to_string(), output: tail(output)? },
            None => {
                Outcome::Failed { reason: format!("not ended after {patience:?}"), output: tail(output)? }
            }
        };
        Ok(Case { suite: self.name.clone(), name, took: start.elapsed(), outcome })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.current_dir(&self.directory).env("CARGO_MANIFEST_DIR", &self.directory);
        command
    }
}

/// Waits for the end, and at `deadline` makes one. None when it had to.
fn wait(mut child: Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The last [`KEPT`] bytes of a file as text.
fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(KEPT)))?;
    let mut bytes = Vec::new();
    file.take(KEPT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
