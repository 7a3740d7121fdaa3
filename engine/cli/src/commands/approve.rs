//! `stageway approve`

use super::Context;
use super::question::question;
use crate::client::said_no;
use crate::exit::{Exit, Refused};
use crate::terminal::Style;
use crate::wiring::{RunRef, SystemClock, find};
use anyhow::Result;
use rustix::process::{getegid, getgroups};
use serde_json::Value as Json;
use stageway_core::digest::Digest;
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
    /// The digest that `show` told with the question: if the stage asks something else by now, nothing is answered
    #[arg(long, value_name = "DIGEST")]
    digest: Option<Digest>,
}

/// Answers the newest question of a stage: what is asked, and what a yes signs, is shown before, and the answer is to that alone.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let view = context.view().await?;
    let found = find(&*view.store, &view.tenant, &args.run).await?;
    let (number, stage) = (found.number, &args.stage);
    let word = if args.deny { "denied" } else { "approved" };
    let asked = view.store.approvals(&view.tenant, &found.id).await?;
    let asked =
        asked.iter().rfind(|asked| asked.stage == *stage).ok_or_else(|| nothing_asked(number, stage))?;
    if args.digest.is_some_and(|read| read != asked.digest()) {
        let message = format!("`{stage}` of run {number} asks something else by now");
        return Err(Refused::usage(message, format!("`stageway show {number}` says what")).into());
    }
    if asked.answer.is_none() {
        context.print(&question(asked, &context.out))?;
    }
    if let Some(remote) = view.remote() {
        let answered = remote.server.approve(&view.tenant, &found.id, asked, !args.deny, &args.reason).await;
        answered.map_err(said_no)?;
        context.print(&format!("{word}: `{stage}` of run {number}\n"))?;
        return Ok(Exit::Ok);
    }
    if asked.answer.is_none() {
        check_approver(&asked.options["approvers"], stage, &context.user(), &groups())?;
    }
    let answer = ApprovalAnswer {
        approved: !args.deny,
        by: context.user(),
        reason: args.reason,
        at: SystemClock.now_ms(),
        to: Some(asked.digest()),
    };
    match view.store.answer(&view.tenant, &found.id, stage, answer).await {
        Ok(()) => {}
        Err(StoreError::NotFound(_)) => return Err(nothing_asked(number, stage).into()),
        Err(StoreError::Conflict(_)) => {
            let message =
                format!("`{stage}` of run {number} was answered already, or asks something else by now");
            return Err(Refused::usage(message, format!("`stageway show {number}` shows the run")).into());
        }
        Err(error) => return Err(error.into()),
    }
    context.print(&format!("{word}: `{stage}` of run {number}\n"))?;
    if !view.is_driven(&found) {
        context.say(Style::Notice, &format!("nobody drives the run: `stageway resume {number}` goes on"));
    }
    Ok(Exit::Ok)
}

fn nothing_asked(number: u64, stage: &StageName) -> Refused {
    let message = format!("`{stage}` of run {number} asks nothing, or its time to be answered is over");
    Refused::usage(message, format!("`stageway show {number}` says what it waits for"))
}

/// Whether somebody is among the approvers, by their own name or by that of a group; without approvers anybody is.
fn check_approver(approvers: &Json, stage: &StageName, user: &str, groups: &[String]) -> Result<(), Refused> {
    let approvers: Vec<&str> = approvers.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let is_one = |name: &&str| *name == user || groups.iter().any(|group| group == name);
    if approvers.is_empty() || approvers.iter().any(is_one) {
        return Ok(());
    }
    let message = format!("`{user}` is no approver of `{stage}`");
    Err(Refused::new(Exit::Denied, message, format!("it is answered by {}", approvers.join(", "))))
}

/// The names of the groups of this machine that the process is in.
fn groups() -> Vec<String> {
    let mut own: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()).collect();
    own.push(getegid().as_raw());
    let known = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let name = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        own.contains(&number).then(|| name.to_owned())
    };
    known.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_approver_is_named_or_in_a_group_that_is() {
        let stage = StageName::new("ship").unwrap();
        let check =
            |approvers: Json| check_approver(&approvers, &stage, "ada", &["release-team".to_owned()]).is_ok();
        for approvers in [Json::Null, json!([]), json!(["ada"]), json!(["bob", "release-team"])] {
            assert!(check(approvers.clone()), "{approvers}");
        }
        assert!(!check(json!(["bob"])));
    }
}
