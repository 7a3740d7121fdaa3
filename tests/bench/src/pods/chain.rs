//! Runs of three stages with one task each, and what they cost the engine.

use super::place::Place;
use super::plain;
use crate::cost::{Paired, memory};
use crate::table::{Row, Target, Unit};
use crate::world::World;
use crate::{Bench, plugins};
use anyhow::Result;
use futures::future::try_join_all;
use stageway_conductor::engine::Engine;
use stageway_ports::Executor as _;
use std::sync::Arc;
use std::time::Duration;

/// Stages of a chain.
const STAGES: usize = 3;
/// Runs whose engine goes, and how far into the second stage.
const KILLS: usize = 5;
const INTO: Duration = Duration::from_millis(500);
/// The cost of the engine is told for so many chains.
const CHAINS: usize = 20;
/// Pods that have ended and stay, and chains beside them.
const FINISHED: usize = 100;
const BESIDE: usize = 10;

pub(super) async fn measure(bench: &Bench, world: &World, place: &Place) -> Result<Vec<Row>> {
    let engine = world.engine_with(place.executor.clone(), false);
    let mut paired = Paired::default();
    let (mut processor, mut some) = (0.0, 0.0);
    let rounds = bench.rounds(CHAINS, 2);
    for round in 0..rounds {
        bench.say(&format!("pods: chains, {} of {rounds}", round + 1));
        let mut raw = 0.0;
        for _ in 0..STAGES {
            raw += place.raw().await?.ended;
        }
        let driven = world.run(&engine, &plugins::pipeline("task", STAGES, &format!("pods-{round}"))).await?;
        paired.push(driven.seconds, raw);
        processor += driven.processor;
    }
    // As many before and after, and not the first ones, which open connections.
    let beside = bench.rounds(BESIDE, 1);
    for round in 0..beside {
        some += chain(world, &engine, &format!("before-{round}")).await?;
    }
    bench.say(&format!("pods: {FINISHED} that have ended"));
    let plain = plain();
    let finished = try_join_all((0..FINISHED).map(|_| place.kept(&plain))).await?;
    let mut many = 0.0;
    for round in 0..beside {
        many += chain(world, &engine, &format!("after-{round}")).await?;
    }
    for (name, _) in finished {
        place.executor.forget(&name).await?;
    }
    let mut killed = Paired::default();
    for round in 0..bench.rounds(KILLS, 1) {
        let whole = world.run(&engine, &plugins::pipeline("task", STAGES, &format!("whole-{round}"))).await?;
        let next = world.engine_with(place.another().await?, false);
        let pipeline = plugins::pipeline("task", STAGES, &format!("killed-{round}"));
        let broken = world.killed_in_the_second((&engine, &next), &pipeline, INTO).await?;
        killed.push(broken, whole.seconds);
    }
    let of_all = processor / rounds as f64 * CHAINS as f64;
    let name = format!("  processor time of the engine for {CHAINS} of them");
    Ok(vec![
        Row::paired(format!("a run of {STAGES} stages with a pod each"), &paired, Target::None),
        Row::alone(name, Unit::Seconds, of_all, Target::Most(1.0)),
        Row::beside(
            format!("  the same with {FINISHED} pods that have ended, beside without them"),
            Unit::Seconds,
            many / beside as f64 * CHAINS as f64,
            some / beside as f64 * CHAINS as f64,
            Target::Ratio(1.25),
        ),
        Row::alone(
            "  peak memory until then, of the raw pods' client too",
            Unit::Bytes,
            peak()?,
            Target::None,
        ),
        Row::paired(
            "  its engine is gone in the second, beside one that is not",
            &killed,
            Target::Ratio(1.1),
        ),
    ])
}

/// The processor time of one chain.
async fn chain(world: &World, engine: &Arc<Engine>, name: &str) -> Result<f64> {
    Ok(world.run(engine, &plugins::pipeline("task", STAGES, name)).await?.processor)
}

/// The most memory that this process took.
fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    memory(&status, "VmHWM")
}
