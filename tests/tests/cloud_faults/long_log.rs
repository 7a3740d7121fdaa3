//! A pod that says very much.

use crate::place::{Place, Ways, cluster};
use stageway_tests::Installation;
use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Stdio};

const LINES: u64 = 1_000_000;
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

/// The numbers of all lines that are one, in order; `seen` is called now and then.
fn numbers(text: impl Read, mut seen: impl FnMut()) -> u64 {
    let mut last = 0;
    for line in BufReader::with_capacity(1 << 20, text).lines() {
        let line = line.expect("text");
        let word = line.rsplit(' ').next().unwrap_or_default();
        let Some(number) = word.strip_prefix("line-") else { continue };
        assert_eq!(number.parse().ok(), Some(last + 1), "after {last} comes: {line}");
        last += 1;
        if last % 1_000 == 0 {
            seen();
        }
    }
    last
}

/// The most memory that a process had so far, in bytes.
fn peak_memory(process: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

pub fn a_million_lines_arrive_whole_and_in_order() {
    let script = format!("#!/bin/sh\nexec seq -f 'line-%.0f' 1 {LINES}\n");
    let files = [("stageway.yaml", PIPELINE), ("work.sh", script.as_str())];
    let place = Place::new(Installation::new(), &Ways::straight(&cluster()), &files).committed();
    let mut run = place.installation.stageway(place.tree.path());
    let mut engine =
        run.args(["run", "--plain"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let (output, mut peak) = (engine.stdout.take().expect("its output"), 0);
    let shown = numbers(output, || peak = peak.max(peak_memory(&engine).unwrap_or(0)));
    let ended = engine.wait().expect("it ends");
    assert!(ended.success() && shown == LINES, "{ended}: {shown} lines were shown");
    println!("the engine held at most {} MiB", peak >> 20);
    assert!((1..MEMORY).contains(&peak), "{} MiB of memory", peak >> 20);

    let mut logs = place.installation.stageway(place.tree.path());
    let mut reader = logs.args(["logs", "latest", "work"]).stdout(Stdio::piped()).spawn().expect("it starts");
    let kept = numbers(reader.stdout.take().expect("its output"), || {});
    assert!(reader.wait().expect("it ends").success() && kept == LINES, "{kept} lines were kept");
    place.assert_nothing_is_left();
    place.leave();
}
