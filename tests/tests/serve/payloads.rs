//! Every example of `@octokit/webhooks-examples`, signed by `@octokit/webhooks-methods`, to a real server.

use crate::world::{SECRET, World, request};
use serde_json::Value as Json;
use stageway_tests::root;
use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn payloads() -> Vec<Json> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).expect("a home");
    let modules = cache.join("stageway/octokit");
    assert!(
        modules.join("node_modules").is_dir(),
        "GitHub's payloads are missing: run `engine/setup --tests`"
    );
    let script =
        std::fs::read(root().join("engine/remotes/tests/forge/octokit/deliver.mjs")).expect("the script");
    let mut node = Command::new("node")
        .args(["--input-type=module", "-", SECRET])
        .current_dir(modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    node.stdin.take().expect("its input").write_all(&script).expect("it reads");
    let output = node.wait_with_output().expect("it ends");
    output.stdout.lines().map(|line| serde_json::from_str(&line.expect("text")).expect("JSON")).collect()
}

#[test]
fn every_example_is_answered_in_its_class_and_none_is_lost() {
    let world = World::new();
    let server = world.start();
    let payloads = payloads();
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
