//! A tenant that floods the server, and another that pushes once. `STAGEWAY_FLOOD` says how many runs the flood has; 40 without it.

use crate::tenants::{PLACES, Two};
use crate::world::{headers, sign};
use serde_json::Value as Json;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Deliveries that are ready to be sent, each of a branch of its own.
fn flood(two: &Two, runs: usize) -> Vec<(String, String, Vec<u8>)> {
    let push = |number| {
        let branch = format!("flood{number}");
        let revision = two.world.commit("src/a", &branch);
        two.world.push(&revision, &branch);
        let body = two.world.pushed(&branch, "", &revision);
        (branch, sign(crate::world::SECRET, &body), body)
    };
    (0..runs).map(push).collect()
}

fn started_at(run: &Json) -> Option<u64> {
    run["stages"][0]["started-at"].as_u64()
}

#[test]
fn a_flood_of_one_tenant_does_not_hold_up_the_other() {
    let runs: usize = std::env::var("STAGEWAY_FLOOD").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let two = Two::new();
    let flood = flood(&two, runs);
    let server = two.world.start();
    // The first one fetches the repository and compiles the plugin.
    two.push(&server, 1);
    let (alone, _) = two.push(&server, 2);

    for (branch, signature, body) in &flood {
        let answer = server.request("POST", "/webhooks/demo", &headers("push", branch, signature), body);
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let begun = Instant::now();
    let waits = loop {
        let queued = two.get(&server, "local", "/runs?unfinished=true&max=1000");
        let all = queued.as_array().into_iter().flatten();
        let mut words = all.filter_map(|run| run["waits"].as_str().map(str::to_owned));
        if let Some(words) = words.next() {
            break words;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing of the flood waits: {queued}");
        sleep(Duration::from_millis(50));
    };
    assert!(waits.starts_with("waits for a place of the server: tenant `local` runs "), "{waits}");
    let (beside, run) = two.push(&server, 3);

    let all = two.get(&server, "local", "/runs?max=1000");
    let numbers: Vec<u64> =
        all.as_array().into_iter().flatten().filter_map(|run| run["number"].as_u64()).collect();
    let (made, began, ended) =
        (run["created-at"].as_u64(), started_at(&run), run["ended-at"].as_u64().unwrap_or(0));
    let (mut between, mut left) = (0, runs - numbers.len());
    for number in numbers {
        let other = two.get(&server, "local", &format!("/runs/{number}"));
        let start = started_at(&other);
        between += usize::from(start.is_some() && start > made && start < began);
        left += usize::from(other["ended-at"].as_u64().is_none_or(|at| at > ended));
    }
    let ratio = beside as f64 / alone as f64;
    println!(
        "flood: {runs} runs of one tenant, {left} of them before their end when the other's had ended; it took {alone} ms \
         alone and {beside} ms beside them, {ratio:.2} times as long; {between} of them began while it was queued"
    );
    assert!(left > PLACES, "that was no flood: {left} of {runs} were left");
    // A place is kept for it, so it begins when it is made. The flood may fill the places that end meanwhile, and no more.
    assert!(between < PLACES, "{between} runs of the flood began before it");
}
