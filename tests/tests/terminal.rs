//! What people and tools read: objects with a shape, plain lines where there is no terminal, plans, and replays offline.

use serde_json::Value as Json;
use stageway_tests::{Installation, assert_says, one_stage, orderbook, tree};
use std::fs;

/// The members that every object of this type has.
fn members(kind: &str) -> &'static [&'static str] {
    match kind {
        "start" => &["run", "number", "pipeline", "event", "trust", "stages"],
        "event" => &["run", "event"],
        "line" => &["run", "line"],
        "notice" => &["text"],
        "end" => &["run", "number", "status", "exit", "stages", "images", "tests", "tasks", "limits-by"],
        other => panic!("`{other}` is no documented type"),
    }
}

#[test]
fn json_is_one_documented_object_a_line() {
    let script = "#!/bin/sh\nprintf 'a \"quote\", \\033[31mred\\033[0m and \\377\\n'\necho second\n";
    let tree = tree(&[("stageway.yaml", &one_stage("")), ("check.sh", script)]);
    let told = Installation::new().run(tree.path(), &[]);
    assert_eq!(told.exit, 0, "{told:#?}");
    for event in &told.events {
        for member in members(event["type"].as_str().expect("a type")) {
            assert!(event.get(member).is_some(), "`{member}` is missing in {event}");
        }
    }
    assert_eq!(told.events[0]["type"], "start");
    assert_eq!(told.events.last().map(|event| &event["type"]), Some(&Json::from("end")));
    assert_eq!(told.end()["exit"], 0);
    assert_eq!(told.lines("check"), ["a \"quote\", \\u{1b}[31mred\\u{1b}[0m and \u{fffd}", "second"]);
    assert_eq!(told.complaints, "", "nothing but objects, and nothing beside them");
}

#[test]
fn the_parts_of_a_task_are_shown() {
    let script = "#!/bin/sh\nsleep 0.2\n";
    let (installation, tree) =
        (Installation::new(), tree(&[("stageway.yaml", &one_stage("")), ("check.sh", script)]));
    let told = installation.run(tree.path(), &[]);
    let task = &told.end()["tasks"][0];
    assert_eq!(task["stage"], "check");
    assert!(task["ran-ms"].as_u64() >= Some(200), "{task}");
    for part in ["queued-ms", "prepared-ms", "services-ms", "collected-ms"] {
        assert!(task[part].is_u64(), "`{part}` is missing in {task}");
    }
    assert_says(&installation.said(tree.path(), &["show"]), &["Tasks", "check  ", "ran 0."]);
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let tree = tree(&[("stageway.yaml", &one_stage("")), ("check.sh", "#!/bin/sh\necho hello\nexit 1\n")]);
    let installation = Installation::new();
    for variable in [("NO_COLOR", "1"), ("NO_COLOR", ""), ("TERM", "dumb")] {
        let mut command = installation.stageway(tree.path());
        command.env_remove("NO_COLOR").env(variable.0, variable.1).args(["run", "--no-skip"]);
        let output = command.output().expect("the binary starts");
        let said = String::from_utf8(output.stdout).expect("text");
        assert!(!said.contains('\u{1b}') && !said.contains('\r'), "{variable:?}: {said:?}");
        assert_says(&said, &["check: started", "check | hello", "check: failed after"]);
    }
}

#[test]
fn a_plan_performs_nothing_and_goes_as_far_as_answers_follow_from_requests() {
    let (installation, clone) = (Installation::new(), orderbook());
    let plan = |arguments: &[&str]| {
        let output = installation.output(clone.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Json>>()
    };
    let stages = plan(&["plan", "--json"]);
    let names: Vec<_> = stages.iter().map(|stage| stage["stage"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["unit-test", "image", "integration-test", "promote"]);
    let unit_test = &stages[0];
    assert_eq!(unit_test["effects"][0]["function"], "tasks.start", "{unit_test:#}");
    assert_eq!((&unit_test["end"], &unit_test["ended-early"]), (&Json::from("open"), &Json::from(true)));
    assert_says(&stages[3].to_string(), &["stages.image.outputs.reference"]);
    assert!(!installation.state().join("images").exists(), "a plan writes no image");
    assert_says(&installation.said(clone.path(), &["runs"]), &["no runs"]);

    // With an image that is there, promotion is planned to its end.
    let told = installation.run(clone.path(), &[]);
    assert_eq!(told.exit, 0, "{told:#?}");
    let digest = told.stage("image")["outputs"]["digest"].as_str().expect("a digest").to_owned();
    let promote = format!(
        "pipeline: promotion
on: {{ push: {{}} }}
stages:
  promote:
    uses: stageway/promote@1
    with: {{ image: \"build/orderbook@{digest}\", to: staging/orderbook, tags: [v1] }}
"
    );
    let tree = tree(&[("stageway.yaml", &promote)]);
    let output = installation.output(tree.path(), &["plan", "--json"]);
    let stage: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    let effects: Vec<_> =
        stage["effects"].as_array().expect("effects").iter().map(|effect| &effect["function"]).collect();
    assert_eq!(effects, ["images.copy", "images.tag"], "{stage:#}");
    assert_eq!(stage["end"]["succeeds"]["digest"], digest, "{stage:#}");
    assert_eq!(stage["ended-early"], false);
    assert!(!installation.state().join("images/staging").exists(), "a plan writes no image");

    // And a replay asks nobody: the images are gone.
    fs::rename(installation.state().join("images"), installation.state().join("elsewhere")).expect("a move");
    for stage in ["image", "promote"] {
        let output = installation.output(clone.path(), &["replay", "latest", stage]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_says(&String::from_utf8_lossy(&output.stderr), &["the same calls and the same end"]);
    }
}

#[test]
fn a_replay_needs_no_secret_and_says_the_same() {
    let policy = "trust: { protected: { allow: \"*\" } }\n\
                  secrets: { TOKEN: { from: file:token, to: [\"task:toolbox\"] } }\n";
    let installation = Installation::configured(
        "policy: policy.yaml\n",
        &[("policy.yaml", policy), ("token", "never-again-4711")],
    );
    let script = "#!/bin/sh\ntest -n \"$TOKEN\"\n";
    let tree = tree(&[("stageway.yaml", &one_stage("secrets: { TOKEN: TOKEN }")), ("check.sh", script)]);
    let told = installation.run(tree.path(), &[]);
    assert_eq!(told.exit, 0, "{told:#?}");
    let mut command = installation.stageway(tree.path());
    // Without its configuration the installation knows neither the policy nor the secret.
    command.env_remove("XDG_CONFIG_HOME").env("HOME", installation.state());
    let output = command.args(["replay", "latest", "check"]).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_says(
        &String::from_utf8_lossy(&output.stderr),
        &["check attempt 1", "the same calls and the same end"],
    );
}
