//! Chains of pure stages: counted commits, time and processor time a stage, and how they grow.

use crate::commit::Appends;
use crate::cost::{Paired, median};
use crate::instance::alone;
use crate::raw::Raw;
use crate::table::{Row, Target, Unit};
use crate::world::World;
use crate::{Bench, plugins};
use anyhow::{Result, ensure};

/// Stages of a chain, and how often it is run.
const CHAINS: [(usize, usize); 4] = [(1, 21), (10, 11), (100, 5), (1_000, 3)];
/// The chains whose growth is looked at.
const GROWN: (usize, usize) = (100, 1_000);
/// Commits and instances of one turn of the floor.
const TURN: u32 = 20;

struct Chain {
    stages: usize,
    /// Seconds a stage.
    time: Paired,
    /// Processor seconds a stage.
    processor: Vec<f64>,
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
    let processor = |stages| {
        let chain = chains.iter().find(|chain| chain.stages == stages);
        chain.map_or(f64::NAN, |chain| median(chain.processor.clone()))
    };
    let (few, many) = (processor(GROWN.0), processor(GROWN.1));
    let name = format!("a chain of {}: processor time a stage", GROWN.1);
    rows.push(Row::beside(name, Unit::Seconds, many, few, Target::Ratio(1.25)));
    Ok(rows)
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
    let mut chain = Chain { stages, time: Paired::default(), processor: Vec::new(), commits: 0 };
    let mut before = floor(raw, appends).await?;
    for round in 0..rounds {
        let pipeline = plugins::pipeline("pure", stages, &format!("{stages}-{round}"));
        let driven = world.run(&engine, &pipeline).await?;
        let after = floor(raw, appends).await?;
        let (commit, instance) = ((before.0 + after.0) / 2.0, (before.1 + after.1) / 2.0);
        before = after;
        // The start of the run is one commit more.
        let floor = ((count + 1.0) * commit + count * instance) / count;
        chain.time.push(driven.seconds / count, floor);
        chain.processor.push(driven.processor / count);
        ensure!(
            round == 0 || driven.commits == chain.commits,
            "the same chain has another number of commits"
        );
        chain.commits = driven.commits;
        if stages >= GROWN.1 {
            bench.say(&format!("chain: {} of {rounds}", round + 1));
        }
    }
    Ok(chain)
}

/// Seconds of one commit and of one instance.
async fn floor(raw: &Raw, appends: &mut Appends) -> Result<(f64, f64)> {
    Ok((appends.seconds(TURN).await?, alone(raw, TURN).await?))
}
