//! Making an instance, one call through `Calls`, and dropping it.

use crate::cost::{Paired, processor};
use crate::raw::Raw;
use crate::table::{Row, Target};
use crate::world::World;
use crate::{Bench, plugins};
use anyhow::{Result, ensure};
use async_trait::async_trait;
use serde_json::json;
use stageway_core::call::{Call, Reply, Value};
use stageway_core::digest::Digest;
use stageway_core::limits::AttemptLimits;
use stageway_core::name::TenantId;
use stageway_host::Host;
use stageway_ports::{Calls, GuestEnd, GuestRun, Guests as _, Linking};

/// What the guest is given.
const CONFIGURATION: &str = r#"{"number":1}"#;
/// Instances of one turn.
const TURN: u32 = 200;

/// Answers every call at once.
struct AtOnce;

#[async_trait]
impl Calls for AtOnce {
    async fn call(&mut self, _call: Call) -> Reply {
        Reply::Answer(Ok(Value::Count(1)))
    }
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let world = World::new(bench, &[]).await?;
    let bytes = plugins::pure();
    let component = world.host.prepare(&bytes).await?;
    let raw = Raw::new(world.host.engine(), &bytes)?;
    let mut paired = Paired::default();
    // The first turn warms up.
    for round in 0..=bench.rounds(31, 5) {
        let floor = alone(&raw, TURN).await?;
        let value = hosted(&world.host, component, TURN).await?;
        if round > 0 {
            paired.push(value, floor);
        }
    }
    Ok(vec![Row::paired("an instance: made, one call, dropped", &paired, Target::Ratio(1.5))])
}

/// Processor seconds of one instance on wasmtime alone: nothing waits here, so on an idle machine they are the time that
/// passes, and on a busy one nobody else's turns are counted.
pub(crate) async fn alone(raw: &Raw, count: u32) -> Result<f64> {
    let begun = processor();
    for _ in 0..count {
        raw.once(CONFIGURATION).await?;
    }
    Ok((processor() - begun) / f64::from(count))
}

async fn hosted(host: &Host, component: Digest, count: u32) -> Result<f64> {
    let configuration = json!({ "number": 1 });
    let begun = processor();
    for _ in 0..count {
        let run = GuestRun {
            tenant: TenantId::local(),
            component,
            linking: Linking::default(),
            limits: AttemptLimits::default(),
            configuration: configuration.clone(),
            seed: [7; 32],
            replayed: 0,
        };
        let (end, _) = host.run(run, &mut AtOnce).await?;
        ensure!(matches!(end, GuestEnd::Succeeded(_)), "the guest ended with {end:?}");
    }
    Ok((processor() - begun) / f64::from(count))
}
