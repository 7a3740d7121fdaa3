//! Bitbucket Cloud tells twelve digits of the head of a pull request, and has no ref for it: the branch is looked at.

use crate::tenants::token;
use crate::world::{Answer, SECRET, Server, World, sign};
use serde_json::{Value as Json, json};
use std::fs;

const PIPELINE: &str = "pipeline: demo
on: { pull-request: {} }
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./ci/check.sh] }
";

/// With the token of somebody who reads.
fn world() -> (World, String) {
    let (token, line) = token("local");
    let world = World::new();
    let (port, clone) = (world.forge.port, world.folder().join("demo.git"));
    let configuration = format!(
        "forges:
  cloud: {{ kind: bitbucket-cloud, api: \"http://127.0.0.1:{port}/2.0\", token: env:TOKEN }}
egress: {{ allow: [\"127.0.0.1:{port}\"] }}
repositories:
  demo: {{ forge: cloud, name: acme/demo, clone: {}, protected: [main] }}
webhooks:
  demo: {{ repositories: demo, secrets: env:SECRET }}
tokens:
{line}",
        clone.display()
    );
    fs::write(world.folder().join("config.yaml"), configuration).expect("the configuration");
    world.write("stageway.yaml", PIPELINE);
    let main = world.commit("src/a", "1");
    world.push(&main, "main");
    (world, token)
}

fn of_repository(name: &str) -> Json {
    json!({ "type": "repository", "full_name": name, "uuid": format!("{{{name}}}"), "name": "demo" })
}

fn pull(head: &str, source: &str) -> Vec<u8> {
    let actor =
        json!({ "type": "user", "display_name": "Ada", "nickname": "ada", "account_id": "5", "uuid": "{u}" });
    let side = |branch: &str, hash: &str, name: &str| json!({ "branch": { "name": branch }, "commit": { "hash": hash }, "repository": of_repository(name) });
    let body = json!({
        "actor": actor, "repository": of_repository("acme/demo"),
        "pullrequest": {
            "id": 7, "title": "Add it", "state": "OPEN", "author": actor,
            "source": side("topic", head, source), "destination": side("main", "ce5965ddd289", "acme/demo"),
        },
    });
    serde_json::to_vec(&body).expect("JSON")
}

fn deliver(server: &Server, id: &str, event: &str, body: &[u8]) -> Answer {
    let signature = format!("sha256={}", sign(SECRET, body));
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Event-Key", event),
        ("X-Request-UUID", id),
        ("X-Hub-Signature", signature.as_str()),
    ];
    server.request("POST", "/webhooks/demo", &headers, body)
}

#[test]
fn a_pull_request_is_run_once_for_each_of_its_heads() {
    let (world, token) = world();
    let server = world.start();
    let succeeded = |count: usize| {
        let runs = world.runs();
        runs.len() == count && runs.iter().all(|run| run["status"] == "succeeded")
    };
    let first = world.commit("src/a", "2");
    world.push(&first, "topic");
    // Two webhooks, or one that was told twice under other ids.
    for (id, event) in [("one", "pullrequest:created"), ("two", "pullrequest:updated")] {
        assert_eq!(deliver(&server, id, event, &pull(&first[..12], "acme/demo")).status, 202);
    }
    world.until("it has its run", || succeeded(1));
    let second = world.commit("src/a", "3");
    world.push(&second, "topic");
    assert_eq!(
        deliver(&server, "three", "pullrequest:updated", &pull(&second[..12], "acme/demo")).status,
        202
    );
    world.until("the next head has its own", || succeeded(2));
    // What comes late is not run, and what is of a fork cannot be had.
    assert_eq!(deliver(&server, "four", "pullrequest:updated", &pull(&first[..12], "acme/demo")).status, 202);
    assert!(
        deliver(&server, "five", "pullrequest:created", &pull(&second[..12], "someone/demo")).status < 300
    );
    let told = || {
        let authorization = format!("Bearer {token}");
        server
            .request("GET", "/api/v1/tenants/local/deliveries", &[("Authorization", &authorization)], b"")
            .body
    };
    world.until("both are settled", || told().contains("outdated") && told().contains("of a fork"));
    let said = told();
    for head in [&first, &second] {
        assert!(said.contains(&format!("the head of pull request 7 is {head}")), "{said}");
    }
    assert!(succeeded(2), "{:#?}", world.runs());
}
