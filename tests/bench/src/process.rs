//! The binary as a process: how soon it is at work, and how much memory it takes at most.

use crate::cost::{self, Paired, since};
use crate::table::{Row, Target, Unit};
use crate::{Bench, plugins};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Between two looks at a process's memory.
const LOOK: Duration = Duration::from_millis(1);

/// A work tree, the plugins, and a state that may be thrown away.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new(bench: &Bench) -> Result<Self> {
        let directory = tempfile::tempdir_in(&bench.directory)?;
        let path = directory.path();
        fs::create_dir(path.join("tree"))?;
        fs::create_dir(path.join("plugins"))?;
        fs::write(path.join("plugins/pure.wasm"), plugins::pure())?;
        fs::write(path.join("plugins/reads.wasm"), plugins::reads())?;
        Ok(Self { directory })
    }

    fn pipeline(&self, plugin: &str, stages: usize, round: &str) -> Result<()> {
        let text = plugins::pipeline(plugin, stages, round);
        Ok(fs::write(self.directory.path().join("tree/stageway.yaml"), text)?)
    }

    fn command(&self, bench: &Bench, state: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&bench.binary);
        command
            .args(arguments)
            .current_dir(self.directory.path().join("tree"))
            .env("STAGEWAY_STATE", state)
            .env("STAGEWAY_PLUGINS", self.directory.path().join("plugins"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::piped());
        command
    }
}

/// Seconds until the binary said its version and is gone.
fn version(bench: &Bench) -> Result<f64> {
    let begun = Instant::now();
    let status = Command::new(&bench.binary).arg("--version").stdout(Stdio::null()).status()?;
    ensure!(status.success(), "`--version` failed");
    Ok(since(begun))
}

/// Seconds until the first stage has started and until the process is gone.
fn first_stage(mut command: Command) -> Result<(f64, f64)> {
    let begun = Instant::now();
    let mut child = command.spawn()?;
    let lines = BufReader::new(child.stdout.take().context("its output is a pipe")?).lines();
    let mut started = None;
    for line in lines {
        let line: Json = serde_json::from_str(&line?)?;
        if started.is_none() && line["event"]["kind"] == "attempt-started" {
            started = Some(since(begun));
        }
    }
    ensure!(child.wait()?.success(), "the run failed");
    Ok((started.context("no stage was started")?, since(begun)))
}

/// From the start of the process to the start of the first stage.
pub(crate) fn start(bench: &Bench) -> Result<Vec<Row>> {
    let place = Place::new(bench)?;
    let path = place.directory.path();
    let (mut new, mut known, mut whole) = (Paired::default(), Paired::default(), Paired::default());
    for round in 0..=bench.rounds(15, 2) {
        place.pipeline("pure", 1, &round.to_string())?;
        let floor = version(bench)?;
        let fresh = tempfile::tempdir_in(path)?;
        let (at_new, _) = first_stage(place.command(bench, fresh.path(), &["run", "--json"]))?;
        let (at_known, gone) = first_stage(place.command(bench, &path.join("state"), &["run", "--json"]))?;
        if round > 0 {
            new.push(at_new, floor);
            known.push(at_known, floor);
            whole.push(gone, floor);
        }
    }
    Ok(vec![
        Row::paired("the binary to the first stage, nothing compiled", &new, Target::None),
        Row::paired("the binary to the first stage, compiled before", &known, Target::None),
        Row::paired("the binary with a run of one stage to its exit", &whole, Target::None),
    ])
}

/// The most memory that the process took, in bytes: its `VmHWM`, looked at until it is gone.
fn peak(mut command: Command) -> Result<f64> {
    let mut child: Child = command.stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0.0;
    loop {
        let seen = fs::read_to_string(&status).unwrap_or_default();
        most = cost::memory(&seen, "VmHWM").unwrap_or(most).max(most);
        if let Some(exit) = child.try_wait()? {
            ensure!(exit.success(), "the process failed");
            return Ok(most);
        }
        std::thread::sleep(LOOK);
    }
}

/// The most memory that the engine takes.
pub(crate) fn memory(bench: &Bench) -> Result<Vec<Row>> {
    let place = Place::new(bench)?;
    let state = place.directory.path().join("state");
    let of = |arguments: &[&str]| peak(place.command(bench, &state, arguments));
    // Compiles, which a process of its own does.
    for plugin in ["pure", "reads"] {
        place.pipeline(plugin, 1, "first")?;
        of(&["run", "--json"])?;
    }
    let mut rows = Vec::new();
    for stages in [1, 100, 1_000] {
        place.pipeline("pure", stages, &stages.to_string())?;
        let name = format!("peak memory of a run of {stages}");
        rows.push(Row::alone(name, Unit::Bytes, of(&["run", "--json"])?, Target::None));
    }
    place.pipeline("reads", 1, "second")?;
    of(&["run", "--json"])?;
    let replay = of(&["replay", "latest", "s0"])?;
    rows.push(Row::alone("peak memory of a replay of 10,000", Unit::Bytes, replay, Target::None));
    Ok(rows)
}
