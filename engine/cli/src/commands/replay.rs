//! `stageway replay`

use super::Context;
use crate::config::Settings;
use crate::exit::{Exit, Refused};
use crate::terminal::{Look, Style, count, duration};
use crate::wiring::{Blueprint, Nowhere, Origin, RunRef, find};
use anyhow::{Result, anyhow};
use stageway_conductor::driver::{Loaded, load, subject};
use stageway_conductor::engine::Blind;
use stageway_conductor::replay::{Replayed, replay};
use stageway_core::call::Stop;
use stageway_core::journal::Cursor;
use stageway_core::name::{RunId, StageName};
use stageway_core::run::{Ended, SkipReason};
use stageway_ports::{GuestEnd, Writer};
use std::sync::Arc;
use std::time::Instant;

/// `stageway replay`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number, the beginning of its id, or `latest`
    #[arg(value_name = "RUN")]
    run: RunRef,
    /// The stage
    #[arg(value_name = "STAGE")]
    stage: StageName,
    /// Which attempt; without it the last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
}

/// Runs an attempt again: every call is answered from its journal.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    // Nothing is reached, so no cluster must be there to be reached.
    let settings = Settings { executor: None, ..context.settings()? };
    let blueprint = Blueprint::new(settings).await?;
    let home = &blueprint.home;
    let found = find(&*home.store, &home.tenant, &args.run).await?;
    let loaded = load(&*home.store, &home.tenant, &found.id).await?;
    let (run, attempt) = which(&loaded, &found.id, &args)?;
    let loaded = if run == found.id { loaded } else { load(&*home.store, &home.tenant, &run).await? };
    let records = home.store.journal(&home.tenant, &run, &args.stage, attempt).await?;
    let origin = Origin { root: "/".into(), revision: None, base: None, unconfined: false, skip: false };
    let engine = blueprint.engine(Arc::new(Nowhere), &origin, Arc::new(Blind))?;
    let writer = Writer { tenant: home.tenant.clone(), run, fence: 0 };
    let subject = subject(&engine, &writer, &loaded, &args.stage, attempt).await;
    let subject = subject.map_err(|failure| anyhow!("{} ({})", failure.message, failure.code))?;
    let began = Instant::now();
    let replayed = replay(&engine, &subject, Cursor::new(records)?).await?;
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    for line in &replayed.lines {
        context.print(&format!("{}\n", line.text))?;
    }
    let (text, exit) = verdict(&replayed, &format!("{} attempt {attempt}", args.stage), took, &context.err);
    context.say(Style::Strong, &text);
    Ok(exit)
}

/// The attempt that is meant: of this run, or of the run that an unchanged stage equals.
fn which(loaded: &Loaded, run: &RunId, args: &Args) -> Result<(RunId, u32)> {
    let Some(stage) = loaded.state.stages.get(&args.stage) else {
        let names: Vec<&str> = loaded.plan.stages.keys().map(StageName::as_str).collect();
        let message = format!("the run has no stage `{}`", args.stage);
        return Err(Refused::usage(message, format!("its stages are {}", names.join(", "))).into());
    };
    if let Some(Ended::Skipped(SkipReason::Unchanged(proof))) = stage.ended() {
        return Ok((proof.run.clone(), args.attempt.unwrap_or(proof.attempt)));
    }
    let attempt = args.attempt.unwrap_or(stage.attempts);
    if attempt == 0 || attempt > stage.attempts {
        let message = format!("`{}` has {}", args.stage, count(u64::from(stage.attempts), "attempt"));
        return Err(Refused::usage(message, "`stageway show RUN` says what ran").into());
    }
    Ok((run.clone(), attempt))
}

fn verdict(replayed: &Replayed, what: &str, took: u64, look: &Look) -> (String, Exit) {
    let entries = format!("{} entries in {}", replayed.entries, duration(took));
    if let GuestEnd::Stopped(Stop::Diverged(divergence)) = &replayed.end {
        let recorded = divergence.recorded.as_deref().unwrap_or("the end of the journal");
        let text = format!(
            "{what} diverged at entry {}\n  recorded: {recorded}\n  made now: {}",
            divergence.seq, divergence.made
        );
        return (look.paint(Style::Bad, &text), Exit::Errored);
    }
    match replayed.same_end {
        Some(true) => (format!("{what}: the same calls and the same end, {entries}"), Exit::Ok),
        None => (format!("{what}: the same calls as far as its journal goes, {entries}"), Exit::Ok),
        Some(false) => {
            let text = format!("{what}: the same calls, but another end: {:?}", replayed.end);
            (look.paint(Style::Bad, &text), Exit::Errored)
        }
    }
}
