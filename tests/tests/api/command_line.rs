//! Runs of a server, seen and changed from elsewhere.

use crate::person::{Person, Token};
use crate::world::{Server, World};
use serde_json::Value as Json;
use std::time::{Duration, Instant};

const RELEASE: &str = "pipeline: release
on: manual
parameters: { version: { type: string } }
stages:
  prepare:
    uses: stageway/unit-test@1
    with: { command: [./ci/check.sh, \"${{ parameters.version }}\"] }
  publish:
    uses: stageway/unit-test@1
    needs: [prepare]
    with: { command: [./ci/check.sh] }
";
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is one.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Pushes a change to `main` and delivers it.
fn push(world: &World, server: &Server, text: &str, before: &str) -> String {
    let revision = world.commit("src/a", text);
    world.push(&revision, "main");
    let answer = world.deliver(server, text, &world.pushed("main", before, &revision));
    assert_eq!(answer.status, 202, "{answer:?}");
    revision
}

fn status(person: &Person<'_>, number: usize) -> Option<String> {
    let runs = person.told(&["runs", "--json"]);
    let run = runs.iter().find(|run| run["number"] == number)?;
    Some(run["status"].as_str()?.to_owned())
}

fn everybody() -> (World, Token) {
    let token = Token::new("lead", &["read", "run", "approve", "admin"]);
    (World::with(&Token::configuration(&[&token])), token)
}

#[test]
fn a_run_of_a_server_is_seen_as_one_of_this_machine() {
    let (world, token) = everybody();
    let server = world.start();
    let person = Person::new(&world, &server);
    assert!(person.login(&token.text).status.success());
    push(&world, &server, "one", "");
    until("a run", || status(&person, 1));
    // Follows it to its end.
    let log = person.said(&["logs", "1", "-f"]);
    assert_eq!(status(&person, 1).as_deref(), Some("succeeded"), "{log}");
    let shown = &person.told(&["show", "latest", "--json"])[0];
    assert_eq!(
        (shown["status"].as_str(), shown["stages"]["check"]["status"].as_str()),
        (Some("succeeded"), Some("succeeded"))
    );
    let words = person.said(&["show", "1"]);
    assert!(words.contains("Run 1 of demo succeeded") && words.contains("trust protected"), "{words}");
    let deliveries = person.told(&["deliveries", "--json"]);
    assert_eq!(deliveries.len(), 1);
    let id = deliveries[0]["id"].as_str().expect("an id");
    assert!(person.said(&["deliveries"]).contains(id));
    person.said(&["redeliver", id]);
    until("what became of it", || {
        person.told(&["deliveries", "--json"])[0]["outcome"].is_object().then_some(())
    });
    assert_eq!(person.told(&["runs", "--json"]).len(), 1, "what it started is not started again");
    assert_eq!(person.output(&["cancel", "1"]).status.code(), Some(2), "it has ended");
}

#[test]
fn a_frozen_tenant_begins_nothing_until_it_is_thawed() {
    let (world, token) = everybody();
    let server = world.start();
    let person = Person::new(&world, &server);
    assert!(person.login(&token.text).status.success());
    assert!(person.said(&["freeze", "--reason", "audit"]).contains("every run of tenant local"));
    push(&world, &server, "one", "");
    until("a run", || status(&person, 1));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(status(&person, 1).as_deref(), Some("queued"));
    // Nor does another start of the server begin it.
    server.kill();
    let server = world.start();
    let again = Person::new(&world, &server);
    assert!(again.login(&token.text).status.success());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(status(&again, 1).as_deref(), Some("queued"));
    assert!(again.said(&["thaw"]).starts_with("thawed"));
    until("its end", || (status(&again, 1)? == "succeeded").then_some(()));
    assert!(again.said(&["thaw"]).starts_with("was not frozen"));
}

#[test]
fn a_queued_run_is_cancelled_from_elsewhere() {
    let (world, token) = everybody();
    let server = world.start();
    let person = Person::new(&world, &server);
    assert!(person.login(&token.text).status.success());
    person.said(&["freeze"]);
    push(&world, &server, "one", "");
    until("a run", || status(&person, 1));
    person.said(&["cancel", "1", "--reason", "enough"]);
    person.said(&["thaw"]);
    until("its end", || (status(&person, 1)? == "cancelled").then_some(()));
    let events = server.request(
        "GET",
        "/api/v1/tenants/local/runs/1/events",
        &[("Authorization", &format!("Bearer {}", token.text))],
        b"",
    );
    let events: Json = serde_json::from_str(events.body.trim()).expect("JSON");
    let wish = events["events"].as_array().expect("events").iter().find(|e| e["kind"] == "cancel-requested");
    assert_eq!(wish.map(|wish| (&wish["by"], &wish["reason"])), Some((&"lead".into(), &"enough".into())));
}

#[test]
fn a_run_is_started_by_hand_and_done_again_from_a_stage() {
    let (world, token) = everybody();
    world.write(".stageway/release.yaml", RELEASE);
    let first = world.commit("src/a", "one");
    world.push(&first, "main");
    let server = world.start();
    let person = Person::new(&world, &server);
    assert!(person.login(&token.text).status.success());
    let ended = |number| until("its end", || status(&person, number).filter(|status| status == "succeeded"));
    assert_eq!(person.said(&["start", "demo", "release", "--param", "version=1.2"]), "run 1\n");
    ended(1);
    for (arguments, word) in [
        (["start", "demo", "release", "--param", "versoin=1"], "versoin"),
        (["start", "demo", "relaese", "--param", "version=1"], "relaese"),
        (["start", "demo", "release", "--ref", "nowhere"], "nowhere"),
    ] {
        let refused = person.output(&arguments);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(word), "{arguments:?}: {said}");
    }
    assert_eq!(person.said(&["rerun", "1", "--from", "publish"]), "run 2\n");
    ended(2);
    let stages = |number: &str| person.told(&["show", number, "--json"])[0]["stages"].clone();
    let again = stages("2");
    assert_eq!(
        (&again["prepare"]["status"], &again["publish"]["status"]),
        (&"skipped".into(), &"succeeded".into())
    );
    assert_eq!(person.said(&["rerun", "1"]), "run 3\n");
    ended(3);
    let whole = stages("3");
    assert_eq!(
        (&whole["prepare"]["status"], &whole["publish"]["status"]),
        (&"succeeded".into(), &"succeeded".into())
    );
}
