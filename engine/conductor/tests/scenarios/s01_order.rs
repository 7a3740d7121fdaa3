//! Needs, conditions, what is skipped with its upstream, and what runs whatever happened.

use crate::world::{World, name};
use serde_json::json;
use stageway_core::call::{Failure, Function, Invocation, Value};
use stageway_core::run::{Ended, RunEvent, RunStatus, SkipReason};
use stageway_ports::GuestEnd;
use stageway_ports::memory::{ScriptedHost, ScriptedLife};

pub fn succeeds(_host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async { Ok(json!({"done": true})) })
}

pub fn failure(code: &str) -> Failure {
    Failure { code: code.into(), message: "on purpose".into(), details: None }
}

pub fn fails(_host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async { Err(GuestEnd::Failed(failure("test/failed"))) })
}

fn errs(_host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async { Err(GuestEnd::Errored(failure("test/errored"))) })
}

#[tokio::test(start_paused = true)]
async fn a_stage_starts_when_what_it_needs_has_ended_and_reads_its_outputs() {
    let world = World::new();
    let first = world.stage("first", succeeds);
    let mut second = world.stage("second", |mut host| {
        Box::pin(async move {
            let (stage, name) = ("first".into(), "done".into());
            let done = host.value(Function::Invocation(Invocation::UpstreamOutput { stage, name })).await?;
            assert_eq!(done, Value::MaybeJson(Some(json!(true))));
            Ok(json!({"saw": true}))
        })
    });
    second.1.needs = [name("first")].into();
    let run = world.create("r", [first, second]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "second").await, json!({"saw": true}));
    let order: Vec<_> = world.events(&run).await.iter().filter_map(started).collect();
    assert_eq!(order, ["first", "second"]);
}

fn started(event: &RunEvent) -> Option<String> {
    match event {
        RunEvent::AttemptStarted { stage, .. } => Some(stage.to_string()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_failed_stage_is_skipped_and_finally_runs() {
    let world = World::new();
    let bad = world.stage("bad", fails);
    let mut after = world.stage("after", succeeds);
    after.1.needs = [name("bad")].into();
    let mut later = world.stage("later", succeeds);
    later.1.needs = [name("after")].into();
    let mut last = world.stage("last", succeeds);
    last.1.finally = true;
    let run = world.create("r", [bad, after, later, last]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Failed);
    assert_eq!(world.outcome(&run, "bad").await, "failed test/failed");
    assert_eq!(world.ended(&run, "after").await, Ended::Skipped(SkipReason::Upstream(name("bad"))));
    assert_eq!(world.ended(&run, "later").await, Ended::Skipped(SkipReason::Upstream(name("after"))));
    assert_eq!(world.outcome(&run, "last").await, "succeeded");
}

#[tokio::test(start_paused = true)]
async fn failed_is_not_errored() {
    let world = World::new();
    let run = world.create("r", [world.stage("bad", fails), world.stage("broken", errs)]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert_eq!(world.outcome(&run, "bad").await, "failed test/failed");
    assert_eq!(world.outcome(&run, "broken").await, "errored test/errored");
    let trap = world.stage("trap", |_| Box::pin(async { Err(GuestEnd::Trap("unreachable".into())) }));
    let run = world.create("s", [trap]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert_eq!(world.outcome(&run, "trap").await, "errored stageway/trap");
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_is_false_skips_and_is_shown() {
    let world = World::new();
    let mut never = world.stage("never", succeeds);
    never.1.when.source = "false".into();
    never.1.when.decided = Some(false);
    let run = world.create("r", [never]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Skipped);
    assert_eq!(world.ended(&run, "never").await, Ended::Skipped(SkipReason::Condition("false".into())));
    assert_eq!(world.guests.instances(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_artifact_that_is_promised_and_missing_fails_the_stage() {
    let world = World::new();
    let mut stage = world.stage("build", succeeds);
    stage.1.artifacts = [("binary".into(), "target/app".into())].into();
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Failed);
    assert_eq!(world.outcome(&run, "build").await, "failed stageway/artifact-missing");
}
