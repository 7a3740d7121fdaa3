//! `stageway run`

use super::Context;
use super::prepare::{PrepareArgs, Ready, guard, prepare, tell};
use super::watch::{ShowArgs, lock, watch};
use crate::exit::Exit;
use crate::wiring::Blueprint;
use anyhow::Result;
use stageway_conductor::engine::Blind;
use stageway_conductor::planner::create;
use stageway_core::name::RunId;
use std::sync::Arc;

/// `stageway run`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    prepare: PrepareArgs,
    /// Let a tree with changes enter environments that are not on this machine
    #[arg(long)]
    allow_dirty: bool,
    #[command(flatten)]
    show: ShowArgs,
}

/// Makes a run of the work tree and drives it to its end.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let blueprint = Blueprint::new(context.settings()?).await?;
    context.remind(&blueprint.home).await?;
    let ready = prepare(context, &blueprint, &args.prepare).await?;
    guard(&blueprint, &ready, args.allow_dirty)?;
    if !args.show.json {
        tell(context, &ready.about)?;
    }
    let Ready { prepared, tree, source, origin, about } = ready;
    let run = RunId::new(ulid::Ulid::generate().to_string())?;
    // The lock comes first, so that nobody takes the run for an interrupted one.
    let lock = lock(&blueprint, &run, 0)?;
    origin.keep(&blueprint.home.directory, &run)?;
    let engine = blueprint.engine(source.clone(), &origin, Arc::new(Blind))?;
    let number = create(&engine, &blueprint.home.tenant, &run, prepared, &tree).await?;
    watch(context, &blueprint, (&run, number), lock, (source, &origin), (args.show, Some(&about))).await
}
