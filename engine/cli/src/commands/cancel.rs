//! `stageway cancel`

use super::Context;
use super::watch::ShowArgs;
use crate::client::said_no;
use crate::exit::{Exit, Refused};
use crate::terminal::Style;
use crate::wiring::{Blueprint, RunRef, SystemClock, find};
use anyhow::Result;
use stageway_ports::Clock;

/// `stageway cancel`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number, the beginning of its id, or `latest`
    #[arg(value_name = "RUN")]
    run: RunRef,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    show: ShowArgs,
}

/// Asks for the end of a run. One that nobody drives is driven to its end here.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let view = context.view().await?;
    let found = find(&*view.store, &view.tenant, &args.run).await?;
    let number = found.number;
    if found.status.is_final() {
        let message = format!("run {number} has ended: it {}", found.status.as_str());
        return Err(Refused::usage(message, format!("`stageway show {number}` shows it")).into());
    }
    if let Some(remote) = view.remote() {
        remote.server.cancel(&view.tenant, &found.id, &args.reason).await.map_err(said_no)?;
        context.print(&format!("run {number} ends as soon as its stages have had their time\n"))?;
        return Ok(Exit::Ok);
    }
    let now = SystemClock.now_ms();
    view.store.request_cancel(&view.tenant, &found.id, &context.user(), &args.reason, now).await?;
    if view.is_driven(&found) {
        context.print(&format!("run {number} ends as soon as its stages have had their time\n"))?;
        return Ok(Exit::Ok);
    }
    context.say(Style::Notice, &format!("nobody drives run {number}: its stages are ended here"));
    let blueprint = Blueprint::new(context.settings()?).await?;
    let exit = super::resume::go_on(context, &blueprint, &found, args.show).await?;
    // It is what was asked for.
    Ok(if exit == Exit::Cancelled { Exit::Ok } else { exit })
}
