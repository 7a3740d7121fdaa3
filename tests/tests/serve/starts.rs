//! What starts runs although no forge tells of anything.

use crate::world::{CONTEXT, World};
use std::time::{Duration, Instant};

const SCHEDULED: &str = "pipeline: nightly
on: { schedule: [ { cron: \"0 * * * *\", zone: Europe/Berlin } ] }
stages:
  check:
    uses: stageway/unit-test@1
    when: event.kind == \"schedule\"
    with: { command: [./ci/check.sh] }
";
const AFTER: &str = "pipeline: after
on: { pipeline: [ { name: demo, branches: [main] } ] }
stages:
  check:
    uses: stageway/unit-test@1
    when: event.upstream.pipeline == \"demo\" && event.upstream.number == 1
    with: { command: [./ci/check.sh] }
  never:
    uses: stageway/unit-test@1
    when: event.upstream.number != 1
    with: { command: [\"false\"] }
";

#[test]
fn a_head_that_no_delivery_told_of_is_found() {
    let world = World::with("sweep: 1s\n");
    let server = world.start();
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    world.deliver(&server, "d1", &world.pushed("main", "", &first));
    world.forge.ended(&first, CONTEXT);
    let lost = world.commit("src/a", "2");
    world.push(&lost, "main");
    assert_eq!(world.forge.ended(&lost, CONTEXT).last().map(String::as_str), Some("success"));
    // The delivery was late, not lost.
    world.deliver(&server, "d2", &world.pushed("main", &first, &lost));
    let next = world.commit("src/a", "3");
    world.push(&next, "main");
    world.deliver(&server, "d3", &world.pushed("main", &lost, &next));
    world.forge.ended(&next, CONTEXT);
    assert_eq!(world.runs().len(), 3);
}

#[test]
fn a_pipeline_follows_the_success_of_another_once() {
    let world = World::new();
    let server = world.start();
    world.write(".stageway/after.yaml", AFTER);
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    world.deliver(&server, "d1", &world.pushed("main", "", &first));
    let states = world.forge.ended(&first, "stageway/after/pipeline");
    assert_eq!(states.last().map(String::as_str), Some("success"), "{states:?}");
    let aside = world.commit("src/a", "2");
    world.push(&aside, "aside");
    world.deliver(&server, "d2", &world.pushed("aside", "", &aside));
    world.forge.ended(&aside, CONTEXT);
    drop(server);
    let _server = world.start();
    std::thread::sleep(Duration::from_secs(1));
    let names: Vec<_> = world.runs().iter().map(|run| run["pipeline"].as_str().map(str::to_owned)).collect();
    assert_eq!(names, ["demo", "after", "demo"].map(|name| Some(name.to_owned())));
}

#[test]
fn a_schedule_that_was_missed_runs_once() {
    let world = World::new();
    world.write(".stageway/nightly.yaml", SCHEDULED);
    let first = world.commit("src/a", "1");
    world.push(&first, "main");
    let server = world.start();
    assert_eq!(
        world.forge.ended(&first, "stageway/nightly/schedule").last().map(String::as_str),
        Some("success")
    );
    drop(server);
    let before = Instant::now();
    let _server = world.start();
    while before.elapsed() < Duration::from_secs(2) {
        assert_eq!(world.runs().len(), 1);
        std::thread::sleep(Duration::from_millis(200));
    }
}

const ASKS: &str = "pipeline: demo
on: push
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./ci/check.sh] }
    approval: { question: \"Go on?\" }
";

/// One place for all runs: those that wait for a person do not have it, and go on all the same when they are answered.
#[test]
fn runs_that_wait_for_a_person_keep_nobody_waiting() {
    let world = World::with("parallel-runs: 1\n");
    let plain = std::fs::read_to_string(world.work().join("stageway.yaml")).expect("a pipeline");
    let server = world.start();
    let waiting: Vec<String> = (1..=3)
        .map(|number| {
            world.write("stageway.yaml", ASKS);
            let revision = world.commit("src/a", &number.to_string());
            world.push(&revision, &format!("b{number}"));
            world.deliver(
                &server,
                &format!("d{number}"),
                &world.pushed(&format!("b{number}"), "", &revision),
            );
            revision
        })
        .collect();
    world.write("stageway.yaml", &plain);
    let other = world.commit("src/a", "another");
    world.push(&other, "main");
    world.deliver(&server, "d4", &world.pushed("main", "", &other));
    assert_eq!(world.forge.ended(&other, CONTEXT).last().map(String::as_str), Some("success"));
    let statuses: Vec<_> = world.runs().iter().map(|run| run["status"].as_str().map(str::to_owned)).collect();
    assert_eq!(
        statuses.iter().filter(|status| status.as_deref() == Some("succeeded")).count(),
        1,
        "{statuses:?}"
    );
    drop(server);
    let _server = world.start();
    for (number, revision) in waiting.iter().enumerate() {
        world.approve(number + 1, "check");
        let states = world.forge.ended(revision, CONTEXT);
        assert_eq!(states.last().map(String::as_str), Some("success"), "{states:?}");
    }
}
