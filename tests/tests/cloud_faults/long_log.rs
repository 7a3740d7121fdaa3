//! A pod that says very much.

use crate::place::{Place, Ways, cluster};
use stageway_tests::Installation;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};

/// Of a debug build; `CLOUD_LINES=1000000` writes as many.
const USUAL: u64 = 300_000;
/// The most that the engine may hold in memory, whatever a task writes; a debug build holds about half of it.
const MEMORY: u64 = 400 << 20;

const PIPELINE: &str = "
pipeline: long
on: { push: { branches: [main] } }
stages:
  work:
    uses: stageway/unit-test@1
    with: { command: [./work.sh], image: tools/tools/shell:1 }
";

/// How many of the lines came, and how many it is said were too many to be shown at once.
#[derive(Debug, Default, PartialEq)]
struct Came {
    lines: u64,
    left_out: u64,
}

/// Reads lines with their numbers, which must go up; `seen` is called now and then.
fn came(text: impl Read, lines: u64, mut seen: impl FnMut()) -> Came {
    let (mut came, mut last) = (Came::default(), 0);
    for line in BufReader::with_capacity(1 << 20, text).lines() {
        let line = line.expect("text");
        if let Some((number, _)) = line.split_once(" lines came too fast") {
            came.left_out += number.parse::<u64>().expect("a number");
        }
        let word = line.rsplit(' ').next().unwrap_or_default();
        let Some(number) = word.strip_prefix("line-") else { continue };
        let number: u64 = number.parse().expect("a number");
        assert!((last + 1..=lines).contains(&number), "after {last} comes: {line}");
        (last, came.lines) = (number, came.lines + 1);
        if came.lines.is_multiple_of(1_000) {
            seen();
        }
    }
    came
}

/// The most memory that a process had so far, in bytes.
fn peak_memory(process: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

pub fn a_very_long_log_arrives_whole_and_in_order() {
    let lines =
        std::env::var("CLOUD_LINES").map_or(USUAL, |text| text.parse().expect("CLOUD_LINES is a number"));
    let script = format!("#!/bin/sh\nseq 1 {lines} | sed 's/^/line-/'\n");
    let files = [("stageway.yaml", PIPELINE), ("work.sh", script.as_str())];
    let place = Place::new(Installation::new(), &Ways::straight(&cluster()), &files).committed();
    let mut run = place.installation.stageway(place.tree.path());
    let mut engine =
        run.args(["run", "--plain"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let (output, mut peak) = (engine.stdout.take().expect("its output"), 0);
    let shown = came(output, lines, || peak = peak.max(peak_memory(&engine).unwrap_or(0)));
    let ended = engine.wait().expect("it ends");
    // A terminal never holds up a run: what it cannot take is counted.
    assert!(ended.success() && shown.lines + shown.left_out == lines, "{ended}: {shown:?}");
    println!("{shown:?}; the engine held at most {} MiB", peak >> 20);
    assert!((1..MEMORY).contains(&peak), "{} MiB of memory", peak >> 20);

    let mut logs = place.installation.stageway(place.tree.path());
    let mut reader = logs.args(["logs", "latest", "work"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let kept = came(reader.stdout.take().expect("its output"), lines, || {});
    assert!(reader.wait().expect("it ends").success() && kept == Came { lines, left_out: 0 }, "{kept:?}");
    place.assert_nothing_is_left();
    place.leave();
}
