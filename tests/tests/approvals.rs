//! A person answers from another process while the run waits.

use stageway_tests::{Installation, assert_says, tree};

const PIPELINE: &str = "pipeline: small
on: { push: { branches: [main] } }
stages:
  ship:
    uses: stageway/unit-test@1
    with: { command: [./ship.sh] }
    approval: { question: \"Ship it?\" }
";

fn shop() -> tempfile::TempDir {
    tree(&[("stageway.yaml", PIPELINE), ("ship.sh", "#!/bin/sh\necho shipped\n")])
}

#[test]
fn yes_lets_the_stage_start_and_shows_before_what_it_signs() {
    let (installation, tree) = (Installation::new(), shop());
    let mut running = installation.start(tree.path());
    running.until_event("stage-waiting");
    let shown = installation.said(tree.path(), &["show", "latest"]);
    assert_says(&shown, &["Ship it?", "tasks.start", "ship.sh", "stageway approve 1 ship"]);

    let answered = installation.output(tree.path(), &["approve", "latest", "ship", "--reason", "looks good"]);
    assert_eq!(answered.status.code(), Some(0), "{answered:?}");
    let told = running.end();
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_eq!(told.lines("ship"), ["shipped"]);

    let again = installation.output(tree.path(), &["approve", "1", "ship"]);
    assert_eq!(again.status.code(), Some(2));
    assert_says(&String::from_utf8_lossy(&again.stderr), &["answered already"]);
}

#[test]
fn no_ends_the_stage_with_the_reason() {
    let (installation, tree) = (Installation::new(), shop());
    let mut running = installation.start(tree.path());
    running.until_event("stage-waiting");
    let answered =
        installation.output(tree.path(), &["approve", "1", "ship", "--deny", "--reason", "not on a Friday"]);
    assert_eq!(answered.status.code(), Some(0), "{answered:?}");
    let told = running.end();
    assert_eq!(told.exit, 10, "{told:#?}");
    assert_eq!(told.stage("ship")["failure"]["code"], "stageway/approval-denied");
    assert_says(&told.stage("ship")["failure"]["message"].to_string(), &["not on a Friday"]);
    assert!(told.lines("ship").is_empty(), "nothing ran");
    assert_says(&installation.said(tree.path(), &["show", "1"]), &["not on a Friday"]);
}

#[test]
fn a_question_outlives_the_engine_that_asked_it() {
    let (installation, tree) = (Installation::new(), shop());
    let mut running = installation.start(tree.path());
    running.until_event("stage-waiting");
    running.kill();
    let answered = installation.output(tree.path(), &["approve", "1", "ship"]);
    assert_eq!(answered.status.code(), Some(0), "{answered:?}");
    assert_says(&String::from_utf8_lossy(&answered.stderr), &["stageway resume 1"]);
    let output = installation.output(tree.path(), &["resume", "--json"]);
    let told = stageway_tests::told(&output);
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_eq!(told.stage("ship")["status"], "succeeded");
}
