//! Engines that are really killed: the shipped binary, with `killing.c` preloaded, which sends itself SIGKILL at a point of its
//! life that the test names.

use crate::{Installation, Told};
use serde_json::Value as Json;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;

/// Where an engine is killed, counted from the start of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// Before or after the n-th time that it touches what outlives it.
    Point(u64),
    /// When its n-th append has just become durable.
    Append(u64),
}

/// How many of each a life had that ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// For [`Kill::Point`].
    pub points: u64,
    /// For [`Kill::Append`].
    pub appends: u64,
}

/// What became of an engine.
#[derive(Debug)]
pub enum Lived {
    /// It was killed.
    Killed,
    /// It ended by itself.
    Ended(Told, Counts),
}

/// The library, built once.
fn preload() -> &'static Path {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = crate::built().join("killing");
        fs::create_dir_all(&folder).expect("a folder");
        let (source, built) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("src/killing.c"), folder.join("killing.so"));
        let fresh = folder.join(format!("{}.so", std::process::id()));
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&fresh, &source]).status();
        assert!(compiled.expect("cc runs").success(), "{} compiles", source.display());
        fs::rename(&fresh, &built).expect("it gets its name");
        built
    });
    &LIBRARY
}

impl Installation {
    /// An engine by this command line (`run` or `resume` with `--json`), killed there or left to itself; `seen` is shown
    /// everything that it says, when it says it.
    pub fn live(
        &self,
        tree: &Path,
        arguments: &[&str],
        kill: Option<Kill>,
        mut seen: impl FnMut(&Json),
    ) -> Lived {
        let counts = self.state().join("counts");
        let mut command = self.stageway(tree);
        command.args(arguments).env("LD_PRELOAD", preload()).env("KILL_COUNTS", &counts);
        match kill {
            Some(Kill::Point(number)) => command.env("KILL_AT", format!("point:{number}")),
            Some(Kill::Append(number)) => command.env("KILL_AT", format!("append:{number}")),
            None => &mut command,
        };
        let mut engine =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let complaints = engine.stderr.take().expect("its standard error");
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            BufReader::new(complaints).read_to_string(&mut text).map(|_| text).unwrap_or_default()
        });
        let mut events = Vec::new();
        for line in BufReader::new(engine.stdout.take().expect("its output")).lines() {
            // A killed engine may have said half a line.
            let Some(event) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
            seen(&event);
            events.push(event);
        }
        let status = engine.wait().expect("it ends");
        let complaints = complaints.join().expect("its standard error");
        lived(status, kill, Told { exit: status.code().unwrap_or(-1), events, complaints }, &counts)
    }
}

fn lived(status: ExitStatus, kill: Option<Kill>, told: Told, counts: &Path) -> Lived {
    if status.signal() == Some(9) && kill.is_some() {
        return Lived::Killed;
    }
    assert_eq!(status.signal(), None, "{kill:?}: {told:#?}");
    let text = fs::read_to_string(counts).expect("its counts");
    let mut numbers = text.split_whitespace().map(|word| word.parse().expect("a number"));
    let mut next = || numbers.next().expect("two numbers");
    Lived::Ended(told, Counts { points: next(), appends: next() })
}

/// splitmix64: the next of the numbers that follow from a seed.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
