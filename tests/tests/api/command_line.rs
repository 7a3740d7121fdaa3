//! Runs of a server, seen and changed from elsewhere.

use crate::person::{Person, Token};
use crate::world::{Server, World};
use serde_json::Value as Json;
use std::time::{Duration, Instant};

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
