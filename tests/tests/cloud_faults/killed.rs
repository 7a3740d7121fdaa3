//! The engine is killed by SIGKILL, after appends of its store and at random moments, and resumed by the next one.

use crate::left::{Left, left};
use crate::place::{Place, Ways, cluster};
use crate::release;
use stageway_tests::Installation;
use stageway_tests::killing::{Counts, Kill, Lived, random};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lives at the same time: most of a life is waiting for the cluster.
const TOGETHER: usize = 4;
/// Without a wish: kills after appends that lie evenly, and at random moments.
const USUAL: (u64, u64) = (12, 8);
/// Random moments where everything is wanted.
const ALL: u64 = 50;

/// What a test looks at.
fn kills(counts: Counts, seed: u64) -> Vec<Kill> {
    if let Ok(only) = std::env::var("CLOUD_APPENDS") {
        return vec![Kill::Append(only.parse().expect("CLOUD_APPENDS is a number"))];
    }
    let (appends, moments) = match std::env::var("CLOUD_KILLS").as_deref() {
        Ok("all") => (counts.appends, ALL),
        Ok(other) => panic!("CLOUD_KILLS is `all`, not `{other}`"),
        Err(_) => USUAL,
    };
    // The first and the last one are always among them.
    let between = |number| 1 + number * (counts.appends - 1) / (appends - 1).max(1);
    let mut state = seed;
    let appends = (0..appends).map(|number| Kill::Append(between(number)));
    let moments = (0..moments).map(|_| Kill::Point(1 + random(&mut state) % counts.points));
    appends.chain(moments).collect()
}

fn seed() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    std::env::var("CLOUD_SEED").map_or_else(|_| now(), |text| text.parse().expect("CLOUD_SEED is a number"))
}

/// A life that is killed there and resumed until it ends.
fn life(place: &Place, kill: Option<Kill>) -> Option<Counts> {
    let (mut arguments, mut next, what) = (&["run", "--json"][..], kill, format!("{}, {kill:?}", place.name));
    loop {
        match place.installation.live(place.tree.path(), arguments, next.take(), |_| {}) {
            Lived::Ended(told, counts) => {
                // A run that was over when its engine died cannot be resumed, and need not be.
                let over = told.exit == 2 && told.complaints.contains("has ended: it succeeded");
                assert!(told.exit == 0 || over, "{what}: {:#?}, {}", told.events.last(), told.complaints);
                return Some(counts);
            }
            Lived::Killed => {
                let runs = place.installation.output(place.tree.path(), &["runs", "--json"]);
                let there = !String::from_utf8_lossy(&runs.stdout).trim().is_empty();
                arguments = if there { &["resume", "latest", "--json"] } else { &["run", "--json"] };
            }
        }
    }
}

fn assert_same(left: &Left, whole: &Left, what: &str) {
    let lost: Vec<_> = whole.difference(left).collect();
    let new: Vec<_> = left.difference(whole).collect();
    assert!(lost.is_empty() && new.is_empty(), "{what}: lost {lost:#?}, new {new:#?}");
}

pub fn it_ends_the_same_wherever_the_engine_is_killed() {
    let (ways, seed) = (Ways::straight(&cluster()), seed());
    let place = release::place(Installation::new(), &ways);
    let counts = life(&place, None).expect("nobody kills it");
    let whole = left(&place);
    for fact in [
        "the run \"succeeded\"",
        "pods of tasks: [1, 1]",
        "secrets of tasks: [1, 1]",
        "production:v1 named [\"IMAGE\"]",
        "manifests in production: 1",
        "the deployment has NODES/NAME@IMAGE, generation 1, 1 ready",
        "release of \"IMAGE\" was \"good\"",
    ] {
        assert!(whole.contains(fact), "no `{fact}` in {whole:#?}");
    }
    let kills = kills(counts, seed);
    println!("CLOUD_SEED={seed}: {} kills of a life with {counts:?}", kills.len());
    let (warm, kills) = (&place.installation, Mutex::new(kills.into_iter()));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let Some(kill) = kills.lock().unwrap().next() else { return };
                    let place = release::place(warm.warm(), &ways);
                    life(&place, Some(kill));
                    assert_same(&left(&place), &whole, &format!("CLOUD_SEED={seed}, killed at {kill:?}"));
                    place.leave();
                }
            });
        }
    });
    place.leave();
}
