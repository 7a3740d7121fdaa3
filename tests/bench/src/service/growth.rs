//! What a server holds in memory, how soon it is back, and what a run costs when there were many before.

use super::client::{Bodies, send};
use super::pipelines::beside;
use super::server::{Place, ended, pushed, unfinished};
use crate::Bench;
use crate::table::{Row, Target, Unit};
use anyhow::{Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (place, commit) = Place::new(bench, &beside("pure", 1, "0"))?;
    let mut server = place.start(&[])?;
    let store = place.store().await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut rows = vec![Row::alone(
        "memory of an idle server",
        Unit::Bytes,
        server.memory("VmRSS")?,
        Target::Most(60e6),
    )];
    let some: u64 = if bench.quick { 50 } else { 1_000 };
    // The first run compiles and fetches.
    let main = pushed("main", &commit);
    send(server.address, "warm", 1, None, Arc::new(move |_| ("push", main.clone()))).await?;
    ended(&store, 1, PATIENCE).await?;
    let (mut number, mut times) = (1, Vec::new());
    for part in [some, 9 * some, some] {
        place.branches("g", number..number + part, &commit)?;
        let (from, commit) = (number, commit.clone());
        let bodies: Bodies = Arc::new(move |n| ("push", pushed(&format!("g{}", from + n), &commit)));
        let begun = Instant::now();
        send(server.address, &format!("g{number}"), part, None, bodies).await?;
        number += part;
        ended(&store, number, PATIENCE).await?;
        while unfinished(&store).await? > 0 {
            ensure!(begun.elapsed() < PATIENCE, "runs do not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.push(begun.elapsed().as_secs_f64() / part as f64);
    }
    rows.push(Row::beside(
        "a run after ten times as many runs",
        Unit::Seconds,
        times[2],
        times[0],
        Target::Ratio(1.1),
    ));
    rows.push(Row::alone(
        "peak memory of the server until then",
        Unit::Bytes,
        server.memory("VmHWM")?,
        Target::None,
    ));
    let begun = Instant::now();
    drop(server);
    server = place.start(&[])?;
    rows.push(Row::alone(
        "a restart after all of them",
        Unit::Seconds,
        begun.elapsed().as_secs_f64(),
        Target::Most(2.0),
    ));
    drop(server);
    Ok(rows)
}
