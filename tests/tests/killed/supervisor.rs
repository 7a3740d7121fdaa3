//! The supervisor is killed with the engine: its tasks are lost, and none is ever started twice.

use stageway_tests::processes::{kill, until};
use stageway_tests::{Installation, told, tree};
use std::path::Path;
use tempfile::TempDir;

const TASK: &str = "#!/bin/sh\necho start >> /count/starts\nsleep 2\necho end >> /count/ends\nsleep 3600\n";

fn pipeline(retry: &str) -> TempDir {
    let pipeline = format!(
        "pipeline: small\non: {{ push: {{ branches: [main] }} }}\nstages:\n  slow:\n    uses: stageway/unit-test@1\n    \
         caches: {{ count: /count }}\n    with: {{ command: [./slow.sh] }}\n{retry}"
    );
    tree(&[("stageway.yaml", &pipeline), ("slow.sh", TASK)])
}

/// Kills engine and supervisor while the task runs.
fn kill_both(installation: &Installation, tree: &Path) {
    let engine = installation.start(tree);
    until("the task has started", || !installation.counted("starts").is_empty());
    engine.kill();
    kill(installation.supervisor().expect("a supervisor"));
}

#[test]
fn a_task_is_lost_and_never_started_again() {
    let (installation, tree) = (Installation::new(), pipeline(""));
    kill_both(&installation, tree.path());
    let resumed = told(&installation.output(tree.path(), &["resume", "--json"]));
    assert_eq!(resumed.exit, 11, "{resumed:#?}");
    let stage = resumed.stage("slow");
    assert_eq!((stage["status"].as_str(), stage["attempts"].as_u64()), (Some("errored"), Some(1)), "{stage}");
    assert!(stage["failure"].to_string().contains("lost"), "{stage}");
    assert_eq!(installation.counted("starts"), ["start"]);
    assert!(installation.counted("ends").is_empty(), "its processes outlive the supervisor");
    until("nothing of it runs", || installation.tasks_running().is_empty());
    assert_eq!(installation.task_directories(), Vec::<String>::new());
}

#[test]
fn a_retry_is_an_attempt_of_its_own() {
    let (installation, tree) =
        (Installation::new(), pipeline("    retry: { attempts: 2, on: [errored], backoff: 10ms }\n"));
    kill_both(&installation, tree.path());
    let engine = installation.go_on(tree.path());
    until("the task of the second attempt has started", || installation.counted("starts").len() == 2);
    // Only the second attempt's task runs: it is one of two that were ever started, each under its own name.
    assert_eq!(installation.task_directories().len(), 1);
    let cancelled = installation.output(tree.path(), &["cancel", "latest"]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    assert_eq!(engine.end().exit, 14);
    assert_eq!(installation.counted("starts").len(), 2);
    until("nothing of it runs", || installation.tasks_running().is_empty());
}
