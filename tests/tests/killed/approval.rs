//! A question outlives the engines that asked it.

use stageway_tests::{Installation, tree};
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

#[test]
fn an_approval_is_answered_after_five_restarts() {
    let (installation, tree) = (Installation::of_guests(), tree(&[("stageway.yaml", PIPELINE)]));
    let mut engine = installation.start(tree.path());
    engine.until_event("attempt-parked");
    for _ in 0..5 {
        engine.kill();
        engine = installation.go_on(tree.path());
        engine.until(|event| event["type"] == "start");
        // It drives the run; what it would do wrongly, it would do now.
        sleep(Duration::from_millis(300));
    }
    let approved = installation.output(tree.path(), &["approve", "latest", "ask"]);
    assert!(approved.status.success(), "{approved:?}");
    let last = engine.end();
    assert_eq!(last.exit, 0, "{last:#?}");
    assert!(last.stage("ask")["outputs"]["by"].is_string(), "{last:#?}");
    let resumed = last.events.iter().filter(|event| event["event"]["kind"] == "attempt-resumed");
    let resumed: Vec<_> = resumed.collect();
    assert!(resumed.len() == 1 && resumed[0]["event"]["counts"] == false, "its answer wakes it: {resumed:?}");
}
