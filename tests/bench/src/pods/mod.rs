//! Tasks as pods, beside raw pods of the same image in the same namespace, in turns. The cluster is a real one of one node, which the
//! measure starts itself, or the one that `STAGEWAY_TEST_KUBECONFIG` names.

mod chain;
mod place;
#[path = "../../../src/cluster.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests use the rest"
)]
mod shared;

use crate::Bench;
use crate::cost::{Paired, median};
use crate::table::{Row, Target, Unit};
use crate::world::World;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use place::{Place, SAYS_WHEN, Times};
use stageway_core::task::{TaskSpec, WorkspaceMount};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::Blobs;
use stageway_ports::contract::executor::{process, spec};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Its multiples spread evenly over each unit.
const GOLDEN: f64 = 0.618_033_988_75;
/// Pods at once.
const AT_ONCE: usize = 20;
/// Pods of one quota, so many of them at once.
const IN_TURN: usize = 100;
/// Files of a small workspace.
const FILES: usize = 10;
/// Bytes of a large one.
const LARGE: usize = 128 << 20;

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = World::new(bench, &[("task", crate::plugins::task())]).await?;
    let place = Place::open(bench, world.blobs.clone()).await?;
    let mut rows = one(bench, &place, &*world.blobs).await?;
    rows.extend(at_once(bench, &place).await?);
    rows.extend(chain::measure(bench, &world, &place).await?);
    Ok(rows)
}

fn plain() -> TaskSpec {
    spec(process(&SAYS_WHEN))
}

/// The same in a workspace of so many files of so many bytes.
async fn within(blobs: &dyn Blobs, files: usize, bytes: usize) -> Result<TaskSpec> {
    let mut tree = Tree::default();
    for number in 0..files {
        // Not compressible, and each another one.
        let mut state = number as u64 + 1;
        let words = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_le_bytes()
        });
        let content = blobs.put(words.take(bytes / 8).flatten().collect()).await?;
        tree.insert(WorkspacePath::new(format!("file-{number}"))?, Node::File { content, executable: false });
    }
    let tree = blobs.put(tree.encode()).await?.digest;
    let workspace = Some(WorkspaceMount { tree, path: "/workspace".into(), writable: true });
    Ok(TaskSpec { workspace, ..plain() })
}

async fn one(bench: &Bench, place: &Place, blobs: &dyn Blobs) -> Result<Vec<Row>> {
    let (plain, small, large) =
        (plain(), within(blobs, FILES, 1 << 10).await?, within(blobs, 1, LARGE).await?);
    let (mut begins, mut known) = (Paired::default(), Paired::default());
    let (mut later, mut prepared, mut told, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let rounds = u32::try_from(bench.rounds(15, 2))?;
    // In the first turn connections are opened and images are unpacked.
    for round in 0..=rounds {
        bench.say(&format!("pods: one, {round} of {rounds}"));
        // The node looks at its containers once a second, so whoever has waited for one begins right after such a look. In each round
        // all begin at another moment of that second.
        let moment = Duration::from_secs_f64((f64::from(round) * GOLDEN).fract());
        sleep(moment).await;
        let raw: Times = place.raw().await?;
        sleep(moment).await;
        let task = place.task(&plain).await?;
        sleep(moment).await;
        let inside = place.task(&small).await?;
        let heavy = place.task(&large).await?;
        if round == 0 {
            continue;
        }
        known.push(task.ended, raw.ended);
        let all = [task.runs, raw.runs, inside.runs, heavy.runs];
        let [Some(task), Some(raw), Some(small), Some(large)] = all else {
            bench.say("pods: one of this turn said nothing of when it ran");
            continue;
        };
        begins.push(task, raw);
        later.push(task - raw);
        prepared.push(small - raw);
        told.push(inside.ended - small);
        rates.push(LARGE as f64 / (large - small));
    }
    ensure!(!later.is_empty(), "no pod says when it runs");
    let seconds = |name: &str, values: Vec<f64>, most| {
        Row::alone(name, Unit::Seconds, median(values), Target::Most(most))
    };
    Ok(vec![
        Row::paired("a task as a pod: its code runs", &begins, Target::None),
        seconds("  after a raw pod's", later, 0.1),
        Row::paired("  its end is known", &known, Target::Ratio(1.0)),
        seconds("with a workspace of 10 files: its code runs after a raw pod's", prepared, 1.3),
        seconds("  its end is known after its process has run", told, 0.3),
        Row::alone("  bytes of a workspace that come in, a second", Unit::Bytes, median(rates), Target::None),
    ])
}

async fn at_once(bench: &Bench, place: &Place) -> Result<Vec<Row>> {
    let plain = plain();
    let mut paired = Paired::default();
    let rounds = bench.rounds(3, 1);
    for round in 0..rounds {
        bench.say(&format!("pods: {AT_ONCE} at once, {} of {rounds}", round + 1));
        let begun = Instant::now();
        try_join_all((0..AT_ONCE).map(|_| place.raw())).await?;
        let raw = begun.elapsed().as_secs_f64();
        let begun = Instant::now();
        try_join_all((0..AT_ONCE).map(|_| place.task(&plain))).await?;
        paired.push(begun.elapsed().as_secs_f64(), raw);
    }
    bench.say(&format!("pods: {IN_TURN} in turn"));
    let begun = Instant::now();
    let raw = stream::iter(0..IN_TURN).map(|_| place.raw()).buffer_unordered(AT_ONCE);
    raw.try_for_each(|_| std::future::ready(Ok(()))).await?;
    let raw = begun.elapsed().as_secs_f64();
    place.quota(AT_ONCE).await?;
    let begun = Instant::now();
    try_join_all((0..IN_TURN).map(|_| place.task(&plain))).await?;
    let ours = begun.elapsed().as_secs_f64();
    Ok(vec![
        Row::paired(format!("{AT_ONCE} at once, to the last end"), &paired, Target::Ratio(1.1)),
        Row::beside(
            format!("{IN_TURN} through a quota of {AT_ONCE}"),
            Unit::Seconds,
            ours,
            raw,
            Target::None,
        ),
    ])
}
