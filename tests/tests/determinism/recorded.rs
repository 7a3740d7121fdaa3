//! What is recorded, and that it is worth comparing.

use crate::world::{Past, World};
use crate::{GUESTS, guest};
use stageway_core::run::RunStatus;
use std::collections::BTreeSet;

/// Records a run to its end.
async fn record(name: &str, run: &str) -> (World, Past) {
    let (guests, component) = guest(name);
    let world = World::new(guests, component, run, 2).await;
    assert_eq!(world.drive().await, RunStatus::Succeeded, "{name}: {:#?}", world.past().await);
    let past = world.past().await;
    (world, past)
}

/// The values that a guest saw under a name, in order.
fn seen(past: &Past, what: &str) -> Vec<String> {
    let all = past.outputs()["seen"].as_array().expect("a list");
    let all = all.iter().filter_map(|line| line.as_str()?.strip_prefix(what)?.strip_prefix(' '));
    all.map(str::to_owned).collect()
}

fn distinct(values: &[String]) -> usize {
    values.iter().collect::<BTreeSet<_>>().len()
}

#[tokio::test(start_paused = true)]
async fn a_journal_replays_to_the_same_calls_outputs_and_lines() {
    for name in GUESTS {
        let (world, past) = record(name, "recorded").await;
        let (first, second) = (world.replay().await, world.replay().await);
        assert_eq!(first.same_end, Some(true), "{name}: {:?}", first.end);
        assert_eq!(u64::from(first.entries), past.entries(), "{name}");
        let lines: Vec<&str> = first.lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, past.lines, "{name}");
        assert_eq!(first, second, "{name}");
        assert_eq!(world.past().await, past, "{name}: a replay writes nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_run_in_another_world_is_the_same_and_another_run_is_not() {
    for name in GUESTS {
        let (_, one) = record(name, "recorded").await;
        let (_, same) = record(name, "recorded").await;
        let (_, other) = record(name, "another").await;
        assert_eq!(one.journal, same.journal, "{name}");
        assert_eq!(one.lines, same.lines, "{name}");
        assert_ne!(seen(&one, "stream"), seen(&other, "stream"), "{name}: the seed of the attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn every_guest_saw_what_could_differ() {
    for name in GUESTS {
        let (_, past) = record(name, "recorded").await;
        assert!(past.entries() > 8, "{name}: {past:#?}");
        let times = if name == "rust" { "now" } else { "time" };
        assert!(distinct(&seen(&past, times)) > 2, "{name}: time moves: {past:#?}");
        let random = if name == "rust" { "stream" } else { "random" };
        assert_eq!(distinct(&seen(&past, random)), 2, "{name}: two rounds, two draws: {past:#?}");
        assert_eq!(distinct(&seen(&past, "doubles")), 1, "{name}: the same numbers have the same bits");
        let [memory] = &seen(&past, "memory")[..] else { panic!("{name}: {past:#?}") };
        assert!(memory.starts_with("16777216 "), "{name}: {memory}");
        let images = seen(&past, "image");
        assert!(images[0].starts_with("sha256:") && images[1] == "none", "{name}: {images:?}");
    }
}

/// What a runtime prints becomes lines; its clocks and generators are those of the attempt.
#[tokio::test(start_paused = true)]
async fn the_clocks_and_generators_of_a_runtime_are_the_attempts() {
    for name in ["typescript", "python", "go"] {
        let (_, past) = record(name, "recorded").await;
        // This JavaScript has nowhere to print to.
        for printed in ["printed", "complained"].into_iter().filter(|_| name != "typescript") {
            assert!(past.lines.iter().any(|line| line == printed), "{name}: {past:#?}");
        }
        for (time, now) in seen(&past, "time").iter().zip(seen(&past, "now")) {
            // 2026-01-01, in the same millisecond as the contract's own clock.
            let time = time.split(' ').next().unwrap_or_default();
            let now = now.parse::<f64>().unwrap_or_else(|_| panic!("{name}: {now}"));
            assert!(time.starts_with(&format!("{now:.0}")), "{name}: {time} is not {now:.0}");
        }
        let dates = seen(&past, "date");
        assert!(dates.iter().all(|date| date.starts_with("2026-01-01T00:00:00")), "{name}: {dates:?}");
        let (_, other) = record(name, "another").await;
        // QuickJS seeds its generator when the component is built: `Math.random` is the same in every attempt, and whoever wants
        // another number each time draws it from the attempt's stream.
        let differs = match name {
            "typescript" => "stream",
            "python" => "urandom",
            _ => "random",
        };
        assert_ne!(
            seen(&past, differs),
            seen(&other, differs),
            "{name}: every attempt has its own randomness"
        );
    }
}
