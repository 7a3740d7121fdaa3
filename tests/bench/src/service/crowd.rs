//! What a server holds, and how soon it is back, while many runs are under way: live ones, parked ones, queued ones.

use super::client::{Bodies, send};
use super::pipelines::beside;
use super::server::{Place, ended, pushed, unfinished};
use crate::Bench;
use crate::plugins::{HOUR, NAP};
use crate::table::{Row, Target, Unit};
use anyhow::{Result, ensure};
use stageway_core::name::TenantId;
use stageway_ports::{Freeze, Freezes as _, Queue as _};
use stageway_stores::SqliteStore;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(600);
/// Between two looks at all runs.
const LOOK: Duration = Duration::from_millis(200);

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (live, many) = if bench.quick { (50, 200) } else { (1_000, 10_000) };
    let mut rows = vec![lives(bench, live).await?];
    rows.extend(parked(bench, many).await?);
    rows.push(queued(bench, many).await?);
    Ok(rows)
}

/// A push of a new branch of the commit for each run.
async fn push(place: &Place, address: std::net::SocketAddr, commit: &str, runs: u64) -> Result<()> {
    place.branches("c", 0..runs, commit)?;
    let commit = commit.to_owned();
    let bodies: Bodies = Arc::new(move |number| ("push", pushed(&format!("c{number}"), &commit)));
    send(address, "crowd", runs, None, bodies).await.map(drop)
}

/// Waits until so many runs have not ended.
async fn left(store: &SqliteStore, runs: u64) -> Result<()> {
    let begun = Instant::now();
    while unfinished(store).await? as u64 != runs {
        ensure!(begun.elapsed() < PATIENCE, "{runs} unfinished runs: that does not become so");
        sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until all of so many runs rest.
async fn rest(store: &SqliteStore, runs: u64) -> Result<()> {
    let begun = Instant::now();
    left(store, runs).await?;
    loop {
        let queued = store.next(&TenantId::local(), 1).await?;
        if queued.taken == 0 && queued.next.is_empty() {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{runs} runs do not rest: {queued:?}");
        sleep(LOOK).await;
    }
}

/// All of them begin before the first ends.
async fn lives(bench: &Bench, runs: u64) -> Result<Row> {
    bench.say(&format!("crowd: {runs} live runs"));
    let (place, commit) = Place::with(bench, &beside(NAP, 1, "live"), &format!("parallel-runs: {runs}\n"))?;
    let (server, store) = (place.start(&[])?, place.store().await?);
    push(&place, server.address, &commit, runs).await?;
    ended(&store, runs, PATIENCE).await?;
    left(&store, 0).await?;
    let name = format!("peak memory with {runs} live runs");
    Ok(Row::alone(name, Unit::Bytes, server.memory("VmHWM")?, Target::None))
}

async fn parked(bench: &Bench, runs: u64) -> Result<Vec<Row>> {
    bench.say(&format!("crowd: {runs} parked runs"));
    let (place, commit) = Place::new(bench, &beside(HOUR, 1, "parked"))?;
    let (mut server, store) = (place.start(&[])?, place.store().await?);
    push(&place, server.address, &commit, runs).await?;
    rest(&store, runs).await?;
    let name = |what: &str| format!("{what} with {runs} parked runs");
    let mut rows = vec![Row::alone(name("memory"), Unit::Bytes, server.memory("VmRSS")?, Target::None)];
    let other = place.commit(&beside("pure", 1, "beside the parked"))?;
    let begun = Instant::now();
    drop(server);
    server = place.start(&[])?;
    rows.push(Row::alone(name("a restart"), Unit::Seconds, begun.elapsed().as_secs_f64(), Target::Most(2.0)));
    let body = pushed("main", &other);
    let begun = Instant::now();
    send(server.address, "main", 1, None, Arc::new(move |_| ("push", body.clone()))).await?;
    ended(&store, runs + 1, PATIENCE).await?;
    let took = begun.elapsed().as_secs_f64();
    rows.push(Row::alone("  a push then, to the end of its run", Unit::Seconds, took, Target::None));
    rest(&store, runs).await?;
    Ok(rows)
}

async fn queued(bench: &Bench, runs: u64) -> Result<Row> {
    bench.say(&format!("crowd: {runs} queued runs"));
    let (place, commit) = Place::new(bench, &beside("pure", 1, "queued"))?;
    let (server, store) = (place.start(&[])?, place.store().await?);
    let freeze = Freeze { environment: None, reason: "a measure".into(), by: "bench".into(), at: 1 };
    store.freeze(&TenantId::local(), freeze).await?;
    push(&place, server.address, &commit, runs).await?;
    left(&store, runs).await?;
    let begun = Instant::now();
    drop(server);
    let server = place.start(&[])?;
    let took = begun.elapsed().as_secs_f64();
    drop(server);
    let name = format!("a restart with {runs} queued runs");
    Ok(Row::alone(name, Unit::Seconds, took, Target::Most(2.0)))
}
