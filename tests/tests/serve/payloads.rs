//! Every example of `@octokit/webhooks-examples`, signed by `@octokit/webhooks-methods`, to a real server.

use crate::signed;
use crate::world::{SECRET, World};
use stageway_tests::root;
use stageway_tests::server::request;
use std::collections::BTreeMap;

#[test]
fn every_example_is_answered_in_its_class_and_none_is_lost() {
    let world = World::new();
    let server = world.start();
    let payloads = signed::octokit(&root().join("engine/remotes/tests/forge/octokit"), SECRET);
    assert_eq!(payloads.len(), 329);
    let mut classes = BTreeMap::<&str, u32>::new();
    for (number, line) in payloads.iter().enumerate() {
        let text = |field: &str| line[field].as_str().expect("text");
        let id = format!("delivery-{number}");
        let headers = [
            ("X-GitHub-Event", text("event")),
            ("X-GitHub-Delivery", &id),
            ("X-Hub-Signature-256", text("signature")),
            ("Content-Type", "application/json"),
        ];
        let answer = request(server.port, "POST", "/webhooks/hub", &headers, text("body").as_bytes());
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status, 202, "{} {}: {answer:?}", text("event"), line["action"]);
        *classes.entry(line["expected"]["class"].as_str().expect("a class")).or_default() += 1;
    }
    assert_eq!(classes["push"] + classes["pull-request"] + classes["ping"], 23);
    let metrics = server.request("GET", "/metrics", &[], b"").body;
    assert!(metrics.contains("{verdict=\"stored\"} 329"), "{metrics}");
    assert_eq!(server.request("GET", "/ready", &[], b"").status, 200);
}
