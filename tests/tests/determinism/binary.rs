//! The binary itself, with SQLite: killed several times in the middle, resumed, and replayed offline.

use serde_json::Value as Json;
use stageway_tests::{Installation, Told, committed, copy, guests, told, tree};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::GUESTS;

/// How many lines of the log an engine lives for, one after the other.
const LIVES: [usize; 4] = [5, 30, 45, 60];

fn pipeline() -> String {
    let stage = |name: &str| {
        format!(
            "  {name}:
    uses: guests/{name}@1
    with: {{ rounds: 4, mebibytes: 16, milliseconds: 120, repository: images/app }}
    grants: {{ source: read, images: {{ images/app: [read] }} }}
"
        )
    };
    let stages: String = GUESTS.map(stage).concat();
    format!("pipeline: guests\non: {{ push: {{ branches: [main] }} }}\nstages:\n{stages}")
}

/// Compiling a runtime takes long, and what was compiled is good for every installation of this binary's engine.
fn compiled() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism-compiled")
}

fn stageway(installation: &Installation, tree: &Path, arguments: &[&str]) -> Command {
    let mut command = installation.stageway(tree);
    command.env("STAGEWAY_PLUGINS", guests()).args(arguments);
    command
}

fn output(installation: &Installation, tree: &Path, arguments: &[&str]) -> Output {
    stageway(installation, tree, arguments).output().expect("the binary starts")
}

/// Kills an engine with SIGKILL when it has told of so many lines; whether it was killed.
fn kill_after(command: &mut Command, lines: usize) -> bool {
    let mut engine = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
    let events = BufReader::new(engine.stdout.take().expect("its output")).lines();
    let told = events.map_while(Result::ok).filter(|event| event.contains("\"type\":\"line\""));
    let is_killed = told.take(lines).count() == lines;
    if is_killed {
        engine.kill().expect("kill -9");
    }
    engine.wait().expect("it is gone");
    is_killed
}

fn seen(told: &Told, stage: &str) -> Vec<String> {
    let seen = told.stage(stage)["outputs"]["seen"].as_array().unwrap_or_else(|| panic!("{told:#?}"));
    seen.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

#[test]
fn killed_again_and_again_the_binary_goes_on_and_replays_offline() {
    let tree = tree(&[("stageway.yaml", &pipeline())]);
    committed(tree.path());
    let installation = Installation::new();
    if compiled().exists() {
        copy(&compiled(), &installation.state().join("compiled"));
    }
    let mut killed = 0;
    for (life, lines) in LIVES.into_iter().enumerate() {
        let arguments: &[&str] = if life == 0 { &["run", "--json"] } else { &["resume", "--json"] };
        killed += usize::from(kill_after(&mut stageway(&installation, tree.path(), arguments), lines));
    }
    assert_eq!(killed, LIVES.len(), "it ended before it was killed");
    let resumed = told(&output(&installation, tree.path(), &["resume", "--json"]));
    assert_eq!(resumed.exit, 0, "{resumed:#?}");
    let _ = fs::remove_dir_all(compiled());
    copy(&installation.state().join("compiled"), &compiled());

    // Offline: the repository is gone.
    let elsewhere = stageway_tests::tree(&[]);
    drop(tree);
    for name in GUESTS {
        assert_eq!(resumed.stage(name)["status"], "succeeded", "{name}: {resumed:#?}");
        let first = output(&installation, elsewhere.path(), &["replay", "latest", name]);
        let verdict = String::from_utf8_lossy(&first.stderr).into_owned();
        assert_eq!(first.status.code(), Some(0), "{name}: {verdict}");
        assert!(verdict.contains("the same calls and the same end"), "{name}: {verdict}");
        let second = output(&installation, elsewhere.path(), &["replay", "latest", name]);
        assert_eq!(first.stdout, second.stdout, "{name}");
        let lines = String::from_utf8_lossy(&first.stdout).into_owned();
        let mut lines = lines.lines();
        for line in seen(&resumed, name) {
            assert!(lines.any(|replayed| replayed == line), "{name}: `{line}` was not seen again");
        }
    }
}
