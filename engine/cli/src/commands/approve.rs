//! `stageway approve`

use super::Context;
use crate::exit::{Exit, Refused};
use crate::terminal::Style;
use crate::wiring::{Home, RunLock, RunRef, SystemClock, find};
use anyhow::Result;
use stageway_core::name::StageName;
use stageway_ports::{ApprovalAnswer, Clock, StoreError};

/// `stageway approve`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its number, the beginning of its id, or `latest`
    #[arg(value_name = "RUN")]
    run: RunRef,
    /// The stage that asks
    #[arg(value_name = "STAGE")]
    stage: StageName,
    /// Say no
    #[arg(long)]
    deny: bool,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Answers the newest question of a stage.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let home = Home::open(&context.settings()?).await?;
    let found = find(&*home.store, &home.tenant, &args.run).await?;
    let (number, stage) = (found.number, &args.stage);
    let answer = ApprovalAnswer {
        approved: !args.deny,
        by: context.user(),
        reason: args.reason,
        at: SystemClock.now_ms(),
    };
    match home.store.answer(&home.tenant, &found.id, stage, answer).await {
        Ok(()) => {}
        Err(StoreError::NotFound(_)) => {
            let message =
                format!("`{stage}` of run {number} asks nothing, or its time to be answered is over");
            return Err(
                Refused::usage(message, format!("`stageway show {number}` says what it waits for")).into()
            );
        }
        Err(StoreError::Conflict(_)) => {
            let message = format!("`{stage}` of run {number} was answered already");
            return Err(Refused::usage(message, format!("`stageway show {number}` shows the run")).into());
        }
        Err(error) => return Err(error.into()),
    }
    let word = if args.deny { "denied" } else { "approved" };
    context.print(&format!("{word}: `{stage}` of run {number}\n"))?;
    if !RunLock::is_held(&home.directory, &found.id) {
        context.say(Style::Notice, &format!("nobody drives the run: `stageway resume {number}` goes on"));
    }
    Ok(Exit::Ok)
}
