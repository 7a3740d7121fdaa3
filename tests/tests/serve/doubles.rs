//! One push is one run, however often and by whomever it is told. `STAGEWAY_DOUBLES` says how often two paths tell of a push
//! while a run is going; 5 times without it.

use crate::world::{CONTEXT, World};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

/// A run that lasts a while, and is never skipped because nothing has changed.
const LASTING: &str = "pipeline: demo
on: { push: { paths: [\"src/**\"] } }
stages:
  check:
    uses: stageway/unit-test@1
    inputs: [\"src/**\"]
    with: { command: [sh, -c, \"sleep 1\"] }
";
/// Between two looks of the server for heads that nobody told of.
const SWEEP: Duration = Duration::from_secs(1);

#[test]
fn a_push_runs_and_the_forge_is_told() {
    let world = World::new();
    let server = world.start();
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    let answer = world.deliver(&server, "d1", &world.pushed("main", "", &first));
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.json()["delivery"].is_string(), "{answer:?}");
    assert_eq!(world.forge.ended(&first, CONTEXT).last().map(String::as_str), Some("success"));

    // A change that the pipeline does not mind is told as skipped.
    let other = world.commit("README.md", "words");
    world.push(&other, "main");
    world.deliver(&server, "d2", &world.pushed("main", &first, &other));
    let states = world.forge.ended(&other, CONTEXT);
    assert_eq!(states.len(), 1, "{states:?}");
    assert_eq!(world.runs().len(), 1);
}

#[test]
fn deliveries_that_tell_of_one_push_are_one_run() {
    let world = World::new();
    let server = world.start();
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    let body = world.pushed("main", "", &first);
    let answer = world.deliver(&server, "d1", &body);
    let again = world.deliver(&server, "d1", &body);
    assert_eq!((again.status, again.body), (answer.status, answer.body), "a redelivery is answered alike");
    let other = world.deliver(&server, "d2", &body);
    assert_eq!(other.status, 202);
    world.forge.ended(&first, CONTEXT);
    let next = world.commit("src/a", "2");
    world.push(&next, "main");
    world.deliver(&server, "d3", &world.pushed("main", &first, &next));
    world.forge.ended(&next, CONTEXT);
    // Late, and after another head was seen.
    world.deliver(&server, "d4", &body);
    let last = world.commit("src/a", "3");
    world.push(&last, "main");
    world.deliver(&server, "d5", &world.pushed("main", &next, &last));
    world.forge.ended(&last, CONTEXT);
    assert_eq!(world.runs().len(), 3);
}

/// Jenkins builds a push twice when a webhook and its polling both tell of it while a build is going
/// (<https://www.jenkins.io/doc/book/pipeline/multibranch/>). Here two webhooks do, at the same moment, and the server looks for
/// heads by itself as well.
#[test]
fn a_push_that_several_paths_tell_of_while_a_run_is_going_is_one_run() {
    let trials: usize = std::env::var("STAGEWAY_DOUBLES").ok().and_then(|n| n.parse().ok()).unwrap_or(5);
    let world = World::with("  second: { repositories: demo, secrets: env:SECRET }\nsweep: 1s\n");
    world.write("stageway.yaml", LASTING);
    let server = world.start();
    let (mut before, mut told, mut going) = (String::new(), Vec::new(), 0);
    for trial in 1..=trials {
        let revision = world.commit("src/a", &trial.to_string());
        going += usize::from(world.runs().iter().any(|run| run["ended_at"].is_null()));
        world.push(&revision, "main");
        let body = world.pushed("main", &before, &revision);
        scope(|paths| {
            for webhook in ["demo", "second"] {
                let (world, server, body) = (&world, &server, &body);
                let id = format!("{webhook}-{trial}");
                paths.spawn(move || assert_eq!(world.deliver_to(server, webhook, &id, body).status, 202));
            }
        });
        let begun = Instant::now();
        while world.runs().len() < trial {
            assert!(begun.elapsed() < Duration::from_secs(60), "push {trial} has no run");
            sleep(Duration::from_millis(20));
        }
        assert_eq!(world.runs().len(), trial, "push {trial} has two runs");
        told.push(revision.clone());
        before = revision;
    }
    for revision in &told {
        assert_eq!(world.forge.ended(revision, CONTEXT).last().map(String::as_str), Some("success"));
    }
    sleep(SWEEP * 3);
    assert_eq!(world.runs().len(), trials);
    println!(
        "doubles: {trials} pushes told of by three paths, {going} of them while a run was going: no double"
    );
}

#[test]
fn a_head_that_comes_back_by_force_is_another_run() {
    let world = World::new();
    let server = world.start();
    let (a, b) = (world.commit("src/a", "1"), world.commit("src/a", "2"));
    for (id, before, after) in [("d1", "", &a), ("d2", a.as_str(), &b), ("d3", b.as_str(), &a)] {
        let runs = world.runs().len();
        world.push(after, "main");
        world.deliver(&server, id, &world.pushed("main", before, after));
        let begun = std::time::Instant::now();
        while world.runs().len() == runs {
            assert!(begun.elapsed().as_secs() < 60, "{id} has no run");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        world.forge.ended(after, CONTEXT);
    }
    assert_eq!(world.runs().len(), 3);
}

#[test]
fn a_definition_with_errors_is_told() {
    let world = World::new();
    let server = world.start();
    let wrong =
        world.commit("stageway.yaml", "pipeline: demo\non: { push: {} }\nstages: { a: { use: x } }\n");
    world.push(&wrong, "main");
    world.deliver(&server, "d1", &world.pushed("main", "", &wrong));
    let states = world.forge.ended(&wrong, CONTEXT);
    assert_eq!(states.len(), 1, "{states:?}");
    let told = world.forge.told();
    assert!(told[0].description.contains("[SW01"), "{told:?}");
    assert_eq!(world.runs().len(), 0);
}
