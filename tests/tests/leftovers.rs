//! However a run ends, nothing of it goes on: no task, no service, no process of either.

use stageway_tests::{Installation, Running, Told, processes, told, tree};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A task with a child, a child that left its session, and a service. `MARK` is an argument that only they have.
fn shop(mark: &str, end: &str, more: &str) -> TempDir {
    let pipeline = format!(
        "pipeline: small
on: {{ push: {{ branches: [main] }} }}
stages:
  check:
    uses: stageway/unit-test@1
    with: {{ command: [./check.sh] }}
    services:
      beside: {{ command: [sleep, \"{mark}\"], ready: {{ command: [/bin/true] }} }}
{more}"
    );
    let script = format!(
        "#!/bin/sh\nsleep {mark} &\nsetsid sleep {mark} &\ntrap 'echo asked to end' TERM\necho begun\n{end}\n"
    );
    tree(&[("stageway.yaml", &pipeline), ("check.sh", &script)])
}

fn marked(mark: &str) -> usize {
    processes().iter().filter(|(_, words)| words.iter().any(|word| word == mark)).count()
}

/// Processes end a moment after the run has said so at the latest.
fn assert_gone(mark: &str, told: &Told) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while marked(mark) > 0 {
        assert!(Instant::now() < deadline, "{} processes are left after {told:#?}", marked(mark));
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn begun(installation: &Installation, tree: &TempDir, mark: &str) -> Running {
    let mut running = installation.start(tree.path());
    running.until_line("begun");
    let deadline = Instant::now() + Duration::from_secs(10);
    while marked(mark) < 3 {
        assert!(Instant::now() < deadline, "the task and its service do not run: {}", marked(mark));
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

#[test]
fn after_success_and_failure() {
    for (mark, end, exit) in [("98765.1", "exit 0", 0), ("98765.2", "exit 1", 10)] {
        let tree = shop(mark, end, "");
        let told = Installation::new().run(tree.path(), &[]);
        assert_eq!(told.exit, exit, "{told:#?}");
        assert_gone(mark, &told);
    }
}

#[test]
fn after_a_timeout() {
    let mark = "98765.3";
    let tree = shop(mark, "sleep 60", "    timeout: 2s\n");
    let told = Installation::new().run(tree.path(), &[]);
    assert_eq!(told.exit, 11, "{told:#?}");
    assert_eq!(told.stage("check")["status"], "errored", "{told:#?}");
    assert!(told.stage("check").to_string().contains("timeout"), "{told:#?}");
    assert_gone(mark, &told);
}

#[test]
fn after_a_cancel_from_another_process() {
    let mark = "98765.4";
    let (installation, tree) = (Installation::new(), shop(mark, "while :; do sleep 0.1; done", ""));
    let running = begun(&installation, &tree, mark);
    let asked = installation.output(tree.path(), &["cancel", "latest", "--reason", "wrong branch"]);
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");
    let told = running.end();
    assert_eq!(told.exit, 14, "{told:#?}");
    assert_eq!(told.stage("check")["status"], "cancelled");
    assert!(told.lines("check").iter().any(|line| line == "asked to end"), "it has its time: {told:#?}");
    assert!(told.events.iter().any(|event| event["event"]["reason"] == "wrong branch"), "{told:#?}");
    assert_gone(mark, &told);
    let again = installation.output(tree.path(), &["cancel", "1"]);
    assert_eq!(again.status.code(), Some(2), "it has ended");
}

#[test]
fn after_one_interrupt_it_is_cancelled() {
    let mark = "98765.5";
    let (installation, tree) = (Installation::new(), shop(mark, "sleep 60", ""));
    let running = begun(&installation, &tree, mark);
    running.signal("INT");
    let told = running.end();
    assert_eq!(told.exit, 14, "{told:#?}");
    assert_gone(mark, &told);
}

#[test]
fn after_two_interrupts_it_is_left_and_goes_on() {
    let mark = "98765.6";
    let (installation, tree) = (Installation::new(), shop(mark, "while :; do sleep 0.1; done", ""));
    let mut running = begun(&installation, &tree, mark);
    running.signal("INT");
    running.until(|event| event["text"].as_str().is_some_and(|text| text.contains("Ctrl-C again")));
    running.signal("INT");
    let told = running.end();
    assert_eq!(told.exit, 11, "{told:#?}");
    assert!(
        told.events.iter().any(|event| event["text"].to_string().contains("stageway resume 1")),
        "{told:#?}"
    );
    let told = stageway_tests::told(&installation.output(tree.path(), &["resume", "--json"]));
    assert_eq!(told.exit, 14, "{told:#?}");
    assert_gone(mark, &told);
}

#[test]
fn after_kill_and_resume() {
    let mark = "98765.7";
    let (installation, tree) = (Installation::new(), shop(mark, "sleep 2", ""));
    begun(&installation, &tree, mark).kill();
    assert!(marked(mark) >= 3, "a task outlives its engine");
    let told = told(&installation.output(tree.path(), &["resume", "--json"]));
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_gone(mark, &told);
}
