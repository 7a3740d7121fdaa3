//! The server is killed at random moments while deliveries come, each of a branch of its own: whatever was answered 202 has its
//! run, and none has two. `STAGEWAY_KILLS` says how often; 20 without it.

use crate::world::{CONTEXT, SECRET, World, headers, sign};
use stageway_tests::server::request;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Branches that are pushed before each kill.
const BRANCHES: usize = 3;

#[test]
fn what_was_answered_has_its_run_and_nothing_has_two() {
    killed_at_random(&World::new());
}

/// Kills the servers of a world, and looks at what is left.
pub(crate) fn killed_at_random(world: &World) {
    let kills: usize = std::env::var("STAGEWAY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos() as u64 | 1;
    println!("kill: seed {random}");
    let mut answered = BTreeSet::new();
    let mut told = 0;
    for kill in 0..kills {
        let server = world.start();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_millis((random >> 33) % 400);
        let mut letters = Vec::new();
        for branch in 0..BRANCHES {
            let name = format!("b{kill}-{branch}");
            let revision = world.commit("src/a", &name);
            world.push(&revision, &name);
            let body = world.pushed(&name, "", &revision);
            letters.push((name, revision, sign(SECRET, &body), body));
        }
        let port = server.port;
        let sending = std::thread::spawn(move || {
            let send = |(name, revision, signature, body): (String, String, String, Vec<u8>)| {
                let headers = headers("push", &name, &signature);
                let answer = request(port, "POST", "/webhooks/demo", &headers, &body).ok()?;
                (answer.status == 202).then_some(revision)
            };
            letters.into_iter().filter_map(send).collect::<Vec<_>>()
        });
        std::thread::sleep(delay);
        server.kill();
        let some = sending.join().expect("the sender ends");
        told += some.len();
        answered.extend(some);
    }
    assert!(told > 0, "no delivery was answered before its server was killed");
    let server = world.start();
    for revision in &answered {
        let states = world.forge.ended(revision, CONTEXT);
        assert_eq!(states.last().map(String::as_str), Some("success"), "{revision}");
    }
    drop(server);
    let runs = world.runs();
    assert!(runs.len() >= answered.len() && runs.len() <= kills * BRANCHES, "{} runs", runs.len());
    let mut descriptions: Vec<_> =
        world.forge.told().into_iter().filter(|told| told.state == "success").collect();
    descriptions.sort();
    descriptions.dedup();
    let revisions: BTreeSet<_> = descriptions.iter().map(|told| &told.revision).collect();
    assert_eq!(revisions.len(), descriptions.len(), "a commit has two runs: {descriptions:#?}");
}
