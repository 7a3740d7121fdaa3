//! Deliveries that somebody else's code signs.

use serde_json::Value as Json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every example of `@octokit/webhooks-examples`, signed by `@octokit/webhooks-methods`; `folder` holds the script and the lock.
pub(crate) fn octokit(folder: &Path, secret: &str) -> Vec<Json> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).unwrap();
    let modules = cache.join("stageway/octokit");
    let installed = std::fs::read(modules.join("package-lock.json")).unwrap_or_default();
    let wanted = std::fs::read(folder.join("package-lock.json")).unwrap();
    assert!(installed == wanted, "GitHub's payloads are missing: run `engine/setup --tests`");
    let script = std::fs::read(folder.join("deliver.mjs")).unwrap();
    lines_of(Command::new("node").args(["--input-type=module", "-", secret]).current_dir(modules), &script)
}

/// Runs a program with a script or data on its standard input, and answers the JSON lines that it writes.
pub(crate) fn lines_of(command: &mut Command, input: &[u8]) -> Vec<Json> {
    let shown = format!("{command:?}");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{shown}: {error}: run `engine/setup --tests`"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "{shown} failed: run `engine/setup --tests`");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
