//! From a delivery to its first stage and to its end, and how many runs a second that makes.

use super::client::{Bodies, Connection, send};
use super::pipelines::beside;
use super::server::{Place, Server, ended, pushed, unfinished};
use crate::Bench;
use crate::cost::median;
use crate::table::{Row, Target, Unit};
use crate::task::{confined_at_once, wrapped_at_once};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value as Json;
use stageway_stores::SqliteStore;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(60);

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

/// Seconds from sending a push to the start of its first stage, and to its end.
async fn once(
    server: &Server,
    store: &SqliteStore,
    (id, body): (&str, &str),
    number: u64,
) -> Result<(f64, f64)> {
    let mut connection = Connection::open(server.address).await?;
    let begun = now_ms();
    ensure!(connection.deliver(id, "push", body).await? == 202, "the delivery was refused");
    let run = ended(store, number, PATIENCE).await?;
    let at = |kind: &str| {
        let events = run.events.iter().filter_map(|event| serde_json::to_value(event).ok());
        let found = events.map(|event: Json| event).find(|event| event["kind"] == kind);
        found.and_then(|event| event["at"].as_f64()).with_context(|| format!("the run has no {kind}"))
    };
    Ok(((at("attempt-started")? - begun) / 1e3, (at("ended")? - begun) / 1e3))
}

/// A commit that has to be fetched; then the one before it, which came along, told as the head of a new branch. Each has another
/// pipeline, so that nothing is skipped.
async fn of(bench: &Bench, plugin: &str, arguments: &[&str]) -> Result<[f64; 4]> {
    let (place, _) = Place::new(bench, &beside(plugin, 3, "start"))?;
    let server = place.start(arguments)?;
    let store = place.store().await?;
    place.git(&["init", "--quiet", "--bare", "../floor"])?;
    let (mut number, mut mirrored, mut whole, mut fetched, mut fetch) = (0, vec![], vec![], vec![], vec![]);
    for round in 0..=bench.rounds(15, 3) {
        let along = place.commit(&beside(plugin, 3, &format!("{round}, along")))?;
        let commit = place.commit(&beside(plugin, 3, &round.to_string()))?;
        number += 1;
        let body = pushed("main", &commit);
        place.flush()?;
        let begun = Instant::now();
        place.git(&["-C", "../floor", "fetch", "--quiet", "../work", "+main:main"])?;
        let alone = begun.elapsed().as_secs_f64();
        place.flush()?;
        let (first, _) = once(&server, &store, (&format!("f{round}"), &body), number).await?;
        let branch = format!("b{round}");
        place.git(&["branch", &branch, &along])?;
        place.flush()?;
        number += 1;
        let (again, end) =
            once(&server, &store, (&format!("m{round}"), &pushed(&branch, &along)), number).await?;
        if round > 0 {
            fetched.push(first);
            fetch.push(alone);
            mirrored.push(again);
            whole.push(end);
        }
    }
    Ok([median(mirrored), median(fetched), median(fetch), median(whole)])
}

/// Stages a second, in runs of three, when many come at once: each of a commit of its own, which the mirror has.
async fn a_second(bench: &Bench, plugin: &str, arguments: &[&str]) -> Result<f64> {
    let (place, _) = Place::new(bench, &beside(plugin, 3, "many"))?;
    let runs: u64 = if bench.quick { 40 } else { 200 };
    let commits = place.commits("r", (0..runs).map(|number| beside(plugin, 3, &number.to_string())))?;
    let last = place.commit(&beside(plugin, 3, "last"))?;
    let server = place.start(arguments)?;
    let store = place.store().await?;
    place.flush()?;
    // The first run compiles.
    once(&server, &store, ("warm", &pushed("main", &last)), 1).await?;
    let bodies: Bodies =
        Arc::new(move |number| ("push", pushed(&format!("r{number}"), &commits[number as usize])));
    let begun = Instant::now();
    send(server.address, "many", runs, None, bodies).await?;
    ended(&store, runs + 1, PATIENCE * 5).await?;
    while unfinished(&store).await? > 0 {
        ensure!(begun.elapsed() < PATIENCE * 5, "runs do not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(runs as f64 * 3.0 / begun.elapsed().as_secs_f64())
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let [mirrored, fetched, fetch, whole] = of(bench, "pure", &[]).await?;
    let alone = |name: &str, value, target| Row::alone(name, Unit::Seconds, value, target);
    rows.push(alone("a delivery to its first stage, mirrored", mirrored, Target::Most(0.008)));
    let most = Target::Most(0.008 + 1.3 * fetch);
    rows.push(Row::beside("  with a fetch; beside it git alone", Unit::Seconds, fetched, fetch, most));
    rows.push(alone("  to its end, with 3 Wasm stages", whole, Target::None));
    for (name, arguments) in [("without the sandbox", &["--no-sandbox"][..]), ("in the sandbox", &[])] {
        let [.., whole] = of(bench, "task", arguments).await?;
        rows.push(alone(&format!("  to its end, with 3 tasks {name}"), whole, Target::None));
    }
    let wasm = a_second(bench, "pure", &[]).await?;
    rows.push(alone("a Wasm stage when many runs come at once", 1.0 / wasm, Target::Most(0.001)));
    let plain = 1.0 / a_second(bench, "task", &["--no-sandbox"]).await?;
    let target = Target::Most(1.0 / 150.0);
    rows.push(alone("a task without the sandbox when many runs come at once", plain, target));
    let count = bench.rounds(200, 40);
    let before = (confined_at_once(count)?, wrapped_at_once(count)?);
    let task = 1.0 / a_second(bench, "task", &[]).await?;
    let after = (confined_at_once(count)?, wrapped_at_once(count)?);
    let floor = (before.0 + after.0) / 2.0;
    let name = "a task in the sandbox; beside bare namespaces";
    rows.push(Row::beside(name, Unit::Seconds, task, floor, Target::None));
    match (before.1, after.1) {
        (Some(before), Some(after)) => {
            let (added, floor) = ((task - plain).max(0.0), (before + after) / 2.0);
            let name = "  what the sandbox adds; beside bubblewrap";
            rows.push(Row::beside(name, Unit::Seconds, added, floor, Target::Ratio(1.0 / 0.7)));
        }
        _ => bench.say("soon: no `bwrap` here: what the sandbox adds has no floor"),
    }
    Ok(rows)
}
