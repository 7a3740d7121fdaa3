//! A question outlives the engines that asked it.

use serde_json::Value as Json;
use stageway_tests::{Installation, told, tree};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

const PIPELINE: &str = "pipeline: small
on: { push: { branches: [main] } }
stages:
  ask:
    uses: test/waits@1
    with: { question: May it go on? }
    grants: { approvals: true }
";

/// Reads what an engine says until something is said, and answers everything.
fn said_until(engine: &mut Child, is: impl Fn(&Json) -> bool) -> Vec<Json> {
    let mut said = Vec::new();
    for line in BufReader::new(engine.stdout.as_mut().unwrap()).lines() {
        said.push(serde_json::from_str(&line.unwrap()).unwrap());
        if said.last().is_some_and(&is) {
            return said;
        }
    }
    panic!("it ended: {said:#?}");
}

#[test]
fn an_approval_is_answered_after_five_restarts() {
    let (installation, tree) = (Installation::of_guests(), tree(&[("stageway.yaml", PIPELINE)]));
    let mut engine = installation.start(tree.path());
    said_until(&mut engine, |event| event["event"]["kind"] == "attempt-parked");
    for _ in 0..5 {
        engine.kill().unwrap();
        engine.wait().unwrap();
        let mut command = installation.stageway(tree.path());
        engine =
            command.args(["resume", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        said_until(&mut engine, |event| event["type"] == "start");
        // It drives the run; what it would do wrongly, it would do now.
        sleep(Duration::from_millis(300));
    }
    let approved = installation.output(tree.path(), &["approve", "latest", "ask"]);
    assert!(approved.status.success(), "{approved:?}");
    let last = told(&engine.wait_with_output().unwrap());
    assert_eq!(last.exit, 0, "{last:#?}");
    assert!(last.stage("ask")["outputs"]["by"].is_string(), "{last:#?}");
    let resumed = last.events.iter().filter(|event| event["event"]["kind"] == "attempt-resumed");
    let resumed: Vec<_> = resumed.collect();
    assert!(resumed.len() == 1 && resumed[0]["event"]["counts"] == false, "its answer wakes it: {resumed:?}");
}
