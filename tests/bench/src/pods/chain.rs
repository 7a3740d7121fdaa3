//! Runs of three stages with one task each, and what they cost the engine.

use super::place::Place;
use crate::cost::Paired;
use crate::table::{Row, Target, Unit};
use crate::world::World;
use crate::{Bench, plugins};
use anyhow::Result;
use std::time::Duration;

/// Stages of a chain.
const STAGES: usize = 3;
/// Runs whose engine goes, and how far into the second stage.
const KILLS: usize = 5;
const INTO: Duration = Duration::from_millis(500);
/// The cost of the engine is told for so many chains.
const CHAINS: usize = 20;

pub(super) async fn measure(bench: &Bench, world: &World, place: &Place) -> Result<Vec<Row>> {
    let engine = world.engine_with(place.executor.clone(), false);
    let mut paired = Paired::default();
    let mut processor = 0.0;
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
        Row::paired(
            "  its engine is gone in the second, beside one that is not",
            &killed,
            Target::Ratio(1.1),
        ),
    ])
}
