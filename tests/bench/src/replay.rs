//! Replaying an attempt of ten thousand entries: from the store to its end.

use crate::cost::{Paired, median, since};
use crate::plugins::READS;
use crate::raw::Raw;
use crate::table::{Row, Target, Unit};
use crate::world::{Driven, World};
use crate::{Bench, plugins};
use anyhow::{Result, anyhow, ensure};
use stageway_conductor::driver::{load, subject};
use stageway_conductor::engine::Engine;
use stageway_conductor::replay::replay;
use stageway_core::journal::Cursor;
use stageway_core::name::{StageName, TenantId};
use stageway_ports::{Store as _, Writer};
use std::sync::Arc;
use std::time::Instant;

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let bytes = plugins::reads();
    let world = World::new(bench, &[("reads", bytes.clone())]).await?;
    let raw = Raw::new(world.host.engine(), &bytes)?;
    let engine = world.engine(false);
    let driven = world.run(&engine, &plugins::pipeline("reads", 1, "only")).await?;
    let (mut paired, mut reading) = (Paired::default(), Vec::new());
    for round in 0..=bench.rounds(15, 3) {
        let begun = Instant::now();
        raw.once("{}").await?;
        let floor = since(begun);
        let (read, whole) = once(&world, &engine, &driven).await?;
        if round > 0 {
            paired.push(whole, floor);
            reading.push(read);
        }
    }
    Ok(vec![
        Row::alone("a replay of 10,000 entries", Unit::Seconds, paired.value(), Target::Most(0.2)),
        Row::paired("  beside as many calls", &paired, Target::None),
        Row::alone("  of it: reading the journal", Unit::Seconds, median(reading), Target::None),
    ])
}

/// Seconds until the journal is read, and until the guest has ended.
async fn once(world: &World, engine: &Arc<Engine>, driven: &Driven) -> Result<(f64, f64)> {
    let (tenant, stage) = (TenantId::local(), StageName::new("s0")?);
    let loaded = load(&world.store, &tenant, &driven.run).await?;
    let writer = Writer { tenant: tenant.clone(), run: driven.run.clone(), fence: 0 };
    let subject =
        subject(engine, &writer, &loaded, &stage, 1).await.map_err(|failure| anyhow!(failure.message))?;
    let begun = Instant::now();
    let cursor = Cursor::new(world.store.journal(&tenant, &driven.run, &stage, 1).await?)?;
    let read = since(begun);
    let replayed = replay(engine, &subject, cursor).await?;
    let whole = since(begun);
    ensure!(
        replayed.entries == READS && replayed.same_end == Some(true),
        "it was another attempt: {replayed:?}"
    );
    Ok((read, whole))
}
