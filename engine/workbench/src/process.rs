//! Running a compiler: its output line by line, its errors kept in bounds.

use crate::progress::Progress;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// How many of the last lines of standard error are kept.
const KEPT_LINES: usize = 200;
/// How much of one line is kept.
const KEPT_LINE: usize = 2000;
/// Most bytes of standard output; cargo's JSON messages of a large build are a few megabytes.
const OUTPUT: u64 = 64 * 1024 * 1024;

/// How a program ended.
pub(crate) struct Run {
    /// Whether it exited with 0.
    pub(crate) success: bool,
    /// Its standard output.
    pub(crate) output: String,
    /// The end of its standard error.
    pub(crate) errors: String,
}

/// Runs a program to its end; its standard error goes line by line to `progress`.
pub(crate) fn run(mut command: Command, progress: &dyn Progress) -> io::Result<Run> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("the program has no output"))?;
    let stderr = child.stderr.take().ok_or_else(|| io::Error::other("the program has no errors"))?;
    let (output, errors) = thread::scope(|scope| {
        let errors = scope.spawn(move || follow(stderr, progress));
        let output = read(stdout);
        (output, errors.join().unwrap_or_default())
    });
    let success = child.wait()?.success();
    Ok(Run { success, output: output?, errors })
}

fn read(stdout: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut limited = stdout.take(OUTPUT);
    limited.read_to_end(&mut bytes)?;
    // What is over the limit is read away, so that the program can end.
    io::copy(&mut limited.into_inner(), &mut io::sink())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn follow(stderr: impl Read, progress: &dyn Progress) -> String {
    let mut last: VecDeque<String> = VecDeque::new();
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line) {
        let text: String = String::from_utf8_lossy(&line).trim_end().chars().take(KEPT_LINE).collect();
        progress.say(&text);
        if last.len() == KEPT_LINES {
            last.pop_front();
        }
        last.push_back(text);
        line.clear();
    }
    last.make_contiguous().join("\n")
}

/// The flag that writes `to` for `from` wherever the compiler keeps a path.
pub(crate) fn remap(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// Where cargo keeps the sources of dependencies.
pub(crate) fn cargo_home() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(home)
        .unwrap_or_else(|| PathBuf::from("/.cargo"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn output_and_errors_are_kept_apart() {
        let lines = Mutex::new(Vec::new());
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo one >&2; echo two >&2; exit 3"]);
        let run = run(command, &|line: &str| lines.lock().unwrap().push(line.to_owned())).unwrap();
        assert_eq!((run.success, run.output.as_str(), run.errors.as_str()), (false, "out\n", "one\ntwo"));
        assert_eq!(*lines.lock().unwrap(), ["one", "two"]);
    }

    #[test]
    fn only_the_end_of_the_errors_is_kept() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 500 ]; do echo $i >&2; i=$((i+1)); done"]);
        let run = run(command, &crate::progress::Silent).unwrap();
        assert_eq!(run.errors.lines().count(), KEPT_LINES);
        assert!(run.errors.ends_with("\n499"));
    }
}
