//! Chains of pure stages: counted commits, time and processor time a stage, and how they grow.

use crate::commit::Appends;
use crate::cost::Paired;
use crate::instance::alone;
use crate::raw::Raw;
use crate::table::{Row, Target, Unit};
use crate::world::World;
use crate::{Bench, plugins};
use anyhow::{Result, ensure};

/// Stages of a chain, and how often it is run.
const CHAINS: [(usize, usize); 4] = [(1, 101), (10, 21), (100, 5), (1_000, 3)];
/// The chains whose growth is looked at, and how often: as many stages of the shorter before and after each longer one, because the
/// disk is not the same all the time.
const GROWN: (usize, usize) = (100, 1_000);
const GROWTHS: usize = 3;

struct Chain {
    stages: usize,
    /// Seconds a stage.
    time: Paired,
    commits: u64,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let bytes = plugins::pure();
    let world = World::new(bench, &[("pure", bytes.clone())]).await?;
    let raw = Raw::new(world.host.engine(), &bytes)?;
    let mut appends = Appends::open(&bench.directory).await?;
    let mut chains = Vec::new();
    for (stages, rounds) in CHAINS {
        bench.say(&format!("chain: {stages} stages"));
        chains.push(chain(bench, &world, (&raw, &mut appends), stages, bench.rounds(rounds, 1)).await?);
    }
    let mut rows = Vec::new();
    for Chain { stages, commits, .. } in &chains {
        let floor = (*stages + 1) as f64;
        let name = format!("a chain of {stages}: commits");
        rows.push(Row::beside(name, Unit::Count, *commits as f64, floor, Target::Ratio(1.1)));
    }
    for Chain { stages, time, .. } in &chains {
        rows.push(Row::paired(format!("a chain of {stages}: a stage"), time, Target::Ratio(1.6)));
    }
    let name = format!("a chain of {}: processor time a stage", GROWN.1);
    rows.push(Row::paired(name, &growth(bench, &world).await?, Target::Ratio(1.25)));
    Ok(rows)
}

/// Processor seconds a stage of the longer chains, beside those of the shorter ones around each.
async fn growth(bench: &Bench, world: &World) -> Result<Paired> {
    let engine = world.engine(false);
    let (few, many) = GROWN;
    let around = many / few / 2;
    let mut paired = Paired::default();
    let rounds = bench.rounds(GROWTHS, 1);
    for round in 0..rounds {
        bench.say(&format!("chain: growth, {} of {rounds}", round + 1));
        let mut short = 0.0;
        let mut long = 0.0;
        for turn in 0..=around * 2 {
            let stages = if turn == around { many } else { few };
            let pipeline = plugins::pipeline("pure", stages, &format!("growth-{round}-{turn}"));
            let processor = world.run(&engine, &pipeline).await?.processor;
            *(if turn == around { &mut long } else { &mut short }) += processor;
        }
        paired.push(long / many as f64, short / (around * 2 * few) as f64);
    }
    Ok(paired)
}

async fn chain(
    bench: &Bench,
    world: &World,
    (raw, appends): (&Raw, &mut Appends),
    stages: usize,
    rounds: usize,
) -> Result<Chain> {
    let engine = world.engine(false);
    let count = stages as f64;
    let mut chain = Chain { stages, time: Paired::default(), commits: 0 };
    let mut before = floor(raw, appends, stages).await?;
    for round in 0..rounds {
        let pipeline = plugins::pipeline("pure", stages, &format!("{stages}-{round}"));
        let driven = world.run(&engine, &pipeline).await?;
        let after = floor(raw, appends, stages).await?;
        chain.time.push(driven.seconds / count, (before + after) / 2.0 / count);
        before = after;
        ensure!(
            round == 0 || driven.commits == chain.commits,
            "the same chain has another number of commits"
        );
        chain.commits = driven.commits;
        if stages >= 1_000 {
            bench.say(&format!("chain: {} of {rounds}", round + 1));
        }
    }
    Ok(chain)
}

/// Seconds of as many commits and instances as a chain has: the start of the run is one commit more.
async fn floor(raw: &Raw, appends: &mut Appends, stages: usize) -> Result<f64> {
    let stages = u32::try_from(stages)?;
    let commits = appends.seconds(stages + 1).await? * f64::from(stages + 1);
    Ok(commits + alone(raw, stages).await? * f64::from(stages))
}
