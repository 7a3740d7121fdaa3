//! Driving a run before somebody's eyes: what `run`, `resume` and `cancel` have in common.

use super::Context;
use super::prepare::About;
use crate::exit::{Exit, Refused};
use crate::terminal::{Board, Json, Live, Look, Plain, Renderer, Screen, end_json};
use crate::wiring::{Blueprint, Driving, Origin, Over, RunLock, drive, numbers, summary};
use anyhow::Result;
use stageway_conductor::driver::load;
use stageway_core::name::RunId;
use stageway_ports::Source;
use std::io::stdout;
use std::sync::Arc;

/// How a run is shown.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct ShowArgs {
    /// One JSON object a line, and nothing else
    #[arg(long, conflicts_with = "plain")]
    pub(crate) json: bool,
    /// Lines, also at a terminal
    #[arg(long)]
    pub(crate) plain: bool,
}

/// The right to drive a run on this machine.
///
/// # Errors
/// [`Refused`] while another process drives it.
pub(crate) fn lock(blueprint: &Blueprint, run: &RunId, number: u64) -> Result<RunLock> {
    let held = || {
        let message = format!("run {number} is driven by another process");
        Refused::new(Exit::Usage, message, format!("`stageway logs {number} --follow` watches it"))
    };
    Ok(RunLock::take(&blueprint.home.directory, run)?.ok_or_else(held)?)
}

/// Drives a run to its end and tells what came of it.
///
/// # Errors
/// When the run cannot be driven; it stays as it is.
pub(crate) async fn watch(
    context: &Context,
    blueprint: &Blueprint,
    (run, number): (&RunId, u64),
    lock: RunLock,
    (source, origin): (Arc<dyn Source>, &Origin),
    (show, about): (ShowArgs, Option<&About>),
) -> Result<Exit> {
    let home = &blueprint.home;
    let loaded = load(&*home.store, &home.tenant, run).await?;
    let mut board = Board::new(run.clone(), number, loaded.plan, loaded.state);
    board.numbers = numbers(&*home.store, &home.tenant).await?;
    let renderer = renderer(&context.out, show, &board, &serde_json::to_value(about)?)?;
    let screen = Screen::start(board, renderer)?;
    let engine = blueprint.engine(source, origin, screen.clone())?;
    let by = context.user();
    let driven = drive(Driving { home, engine, run, number, lock, screen: screen.clone(), by }).await;
    // Also after an error the terminal is left as it should be.
    screen.finish();
    let over = driven?;
    let summary = summary(&*home.store, &home.tenant, run).await?;
    let text = if show.json { format!("{}\n", end_json(&summary)) } else { summary.render(&context.out) };
    context.print(&text)?;
    Ok(match over {
        Over::Ended(status) => Exit::of(status),
        Over::Left => Exit::Errored,
    })
}

/// What draws a run; `about` is told at the beginning, for tools.
///
/// # Errors
/// When standard output takes nothing.
pub(super) fn renderer(
    look: &Look,
    show: ShowArgs,
    board: &Board,
    about: &serde_json::Value,
) -> Result<Box<dyn Renderer>> {
    Ok(if show.json {
        Box::new(Json::new(stdout(), board, about)?)
    } else if show.plain || !look.live {
        Box::new(Plain::new(stdout(), *look))
    } else {
        Box::new(Live::new(stdout(), *look))
    })
}
