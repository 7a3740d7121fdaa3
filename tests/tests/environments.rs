//! The lock of an environment and its order, between processes.

use stageway_tests::{Installation, assert_says, stages, tree};
use std::fs;

/// The first stage is slow where the tree says so; the second enters production.
fn pipeline() -> String {
    stages(&["prepare", "deploy"], "environment: production")
}

#[test]
fn of_two_runs_the_older_does_not_overtake_the_newer() {
    let prepare = "#!/bin/sh\necho preparing\nif [ -e slow ]; then sleep 6; fi\n";
    let deploy = "#!/bin/sh\necho deploying\n";
    let tree =
        tree(&[("stageway.yaml", &pipeline()), ("prepare.sh", prepare), ("deploy.sh", deploy), ("slow", "")]);
    let installation = Installation::new();
    let mut older = installation.start(tree.path());
    older.until_line("preparing");
    fs::remove_file(tree.path().join("slow")).expect("the file is there");

    let newer = installation.run(tree.path(), &[]);
    assert_eq!(newer.exit, 0, "{newer:#?}");
    assert_eq!(newer.stage("deploy")["status"], "succeeded");

    let older = older.end();
    assert_eq!(older.stage("prepare")["status"], "succeeded", "{older:#?}");
    assert_eq!(older.stage("deploy")["status"], "skipped", "{older:#?}");
    let by = newer.end()["run"].as_str().expect("an id");
    assert_eq!(older.stage("deploy")["reason"]["outdated"], by, "{older:#?}");
    assert!(!older.lines("deploy").iter().any(|line| line == "deploying"));
    assert_says(&installation.said(tree.path(), &["show", "1"]), &["deploy", "outdated", "run 2"]);
}

#[test]
fn one_run_at_a_time_is_in_an_environment_and_who_waits_says_for_whom() {
    let deploy = "#!/bin/sh\necho deploying\nsleep 3\necho deployed\n";
    let tree = tree(&[
        ("stageway.yaml", &pipeline()),
        ("prepare.sh", "#!/bin/sh\necho preparing\n"),
        ("deploy.sh", deploy),
    ]);
    let installation = Installation::new();
    let mut first = installation.start(tree.path());
    first.until_line("deploying");
    let mut second = installation.start(tree.path());
    let waits = second.until_event("stage-waiting")["event"].clone();
    assert_eq!(waits["stage"], "deploy");
    assert_says(waits["why"].as_str().expect("a reason"), &["production", "run"]);
    assert_says(&installation.said(tree.path(), &["show", "2"]), &["deploy", "waits", "production"]);

    // Times of this machine's clock: the second begins after the first has ended.
    let at = |told: &stageway_tests::Told, text: &str| {
        let line = told.events.iter().find(|event| event["line"]["text"] == text).expect("the line");
        line["line"]["at"].as_u64().expect("a time")
    };
    let (first, second) = (first.end(), second.end());
    assert_eq!((first.exit, second.exit), (0, 0), "{first:#?}{second:#?}");
    assert!(at(&first, "deployed") <= at(&second, "deploying"));
}
