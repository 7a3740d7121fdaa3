//! The engine is killed while a task runs: the task goes on, and so does the run.

use stageway_tests::{Installation, stages, told, tree};

#[test]
fn a_task_outlives_the_engine_and_starts_once() {
    let script = "#!/bin/sh\necho started $$ $(cat /proc/sys/kernel/random/uuid)\nsleep 4\necho finished\n";
    let pipeline = stages(&["slow", "after"], "");
    let tree = tree(&[("stageway.yaml", &pipeline), ("slow.sh", script), ("after.sh", "#!/bin/sh\n")]);
    let installation = Installation::new();

    let mut engine = installation.start(tree.path());
    let started = engine.until_line("started ").to_string();
    engine.kill();

    let output =
        installation.stageway(tree.path()).args(["resume", "--json"]).output().expect("the binary starts");
    let resumed = told(&output);
    assert_eq!(resumed.exit, 0, "{resumed:#?}");
    assert_eq!(resumed.stage("slow")["status"], "succeeded");
    assert_eq!(resumed.stage("after")["status"], "succeeded");

    let log = installation.output(tree.path(), &["logs", "latest", "slow"]);
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    assert_eq!(log.matches("started ").count(), 1, "{log}\n{started}");
    assert_eq!(log.matches("finished").count(), 1, "{log}");
}
