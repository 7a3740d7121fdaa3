//! Retries by class, their pauses, and the timeouts of stages and runs.

use crate::s01_order::{failure, succeeds};
use crate::world::{World, name};
use serde_json::json;
use stageway_core::call::{Clock, Command, Function, Tasks};
use stageway_core::journal::{Outcome, Record};
use stageway_core::plan::{Backoff, Retry, RetryOn};
use stageway_core::run::{RunEvent, RunStatus};
use stageway_ports::GuestEnd;
use stageway_ports::memory::TaskScript;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn retry(attempts: u32, on: RetryOn) -> Retry {
    Retry { attempts, on: [on].into(), backoff: Backoff { first_ms: 1_000, most_ms: 3_000 } }
}

/// Ends badly until the given attempt.
fn flaky(
    good: u32,
    end: impl Fn() -> GuestEnd + Send + Sync + 'static,
) -> impl for<'a> Fn(stageway_ports::memory::ScriptedHost<'a>) -> stageway_ports::memory::ScriptedLife<'a>
+ Send
+ Sync
+ 'static {
    let lives = Arc::new(AtomicU32::new(0));
    let end = Arc::new(end);
    move |_| {
        let life = lives.fetch_add(1, Ordering::SeqCst) + 1;
        let end = end.clone();
        Box::pin(async move { if life >= good { Ok(json!({"life": life})) } else { Err(end()) } })
    }
}

#[tokio::test(start_paused = true)]
async fn an_errored_stage_is_tried_again_after_pauses_that_double() {
    let world = World::new();
    let mut stage = world.stage("flaky", flaky(4, || GuestEnd::Errored(failure("test/net"))));
    stage.1.retry = retry(4, RetryOn::Errored);
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "flaky").await, json!({"life": 4}));
    let starts: Vec<_> = world
        .events(&run)
        .await
        .iter()
        .filter_map(|event| if let RunEvent::AttemptStarted { at, .. } = event { Some(*at) } else { None })
        .collect();
    let pauses: Vec<_> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [1_000, 2_000, 3_000]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_stage_is_tried_again_only_where_that_was_asked_for() {
    for (on, status, lives) in
        [(RetryOn::Errored, RunStatus::Failed, 1), (RetryOn::Failed, RunStatus::Succeeded, 2)]
    {
        let world = World::new();
        let mut stage = world.stage("flaky", flaky(2, || GuestEnd::Failed(failure("test/no"))));
        stage.1.retry = retry(3, on);
        let run = world.create("r", [stage]).await;
        assert_eq!(world.drive(&run).await, status);
        assert_eq!(world.guests.instances(), lives);
    }
}

#[tokio::test(start_paused = true)]
async fn retries_run_out() {
    let world = World::new();
    let mut stage = world.stage("flaky", flaky(9, || GuestEnd::Errored(failure("test/net"))));
    stage.1.retry = retry(3, RetryOn::Errored);
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert_eq!(world.guests.instances(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_a_retry_outlives_the_engine() {
    let world = World::new();
    let mut stage = world.stage("flaky", flaky(2, || GuestEnd::Errored(failure("test/net"))));
    stage.1.retry =
        Retry { backoff: Backoff { first_ms: 60_000, most_ms: 60_000 }, ..retry(2, RetryOn::Errored) };
    let run = world.create("r", [stage]).await;
    let retrying = world.when(&run, |state| {
        matches!(state.stages["flaky"].status, stageway_core::run::StageStatus::Retrying(_))
    });
    world.drive_until(&run, retrying).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.now() / 1000, 60);
}

#[tokio::test(start_paused = true)]
async fn a_stage_ends_with_its_time_and_its_tasks_with_it() {
    for parked in [false, true] {
        let mut world = World::with_tasks(|_| TaskScript::runs());
        world.rules.park_after_ms = if parked { 100 } else { 1_000_000 };
        world.rules.park_factor = 0;
        let mut stage = world.stage("slow", |mut host| {
            Box::pin(async move {
                let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
                host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
                host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
                Ok(json!({}))
            })
        });
        stage.1.timeout_ms = 30_000;
        let run = world.create("r", [stage]).await;
        assert_eq!(world.drive(&run).await, RunStatus::Errored, "parked: {parked}");
        assert_eq!(world.outcome(&run, "slow").await, "errored stageway/limit-exceeded");
        assert_eq!(world.now() / 1000, 30);
        assert_eq!(world.executor.running(), []);
        assert_eq!(world.executor.cancels().len(), 1);
        let journal = world.journal(&run, "slow", 1).await;
        assert!(matches!(journal.last(), Some(Record::End(end)) if matches!(end.outcome, Outcome::Limit(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_gives_a_stage_no_more_time() {
    let world = World::new();
    let mut stage = world.stage("slow", |mut host| {
        Box::pin(async move {
            host.value(Function::Clock(Clock::Sleep { milliseconds: 600_000 })).await?;
            Ok(json!({}))
        })
    });
    stage.1.timeout_ms = 60_000;
    let run = world.create("r", [stage]).await;
    world.drive_until(&run, tokio::time::sleep(std::time::Duration::from_secs(40))).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert_eq!(world.now() / 1000, 60);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_time_is_over_is_cancelled_and_finally_still_runs() {
    let world = World::new();
    let slow = world.stage("slow", |mut host| {
        Box::pin(async move {
            host.value(Function::Clock(Clock::Sleep { milliseconds: 3_000_000 })).await?;
            Ok(json!({}))
        })
    });
    let mut after = world.stage("after", succeeds);
    after.1.needs = [name("slow")].into();
    let mut last = world.stage("last", succeeds);
    last.1.finally = true;
    let mut plan = world.plan([slow, after, last]);
    plan.timeout_ms = 20_000;
    let run = world.create_plan("r", plan).await;
    assert_eq!(world.drive(&run).await, RunStatus::Cancelled);
    assert_eq!(world.outcome(&run, "slow").await, "cancelled");
    assert_eq!(world.outcome(&run, "after").await, "cancelled");
    assert_eq!(world.outcome(&run, "last").await, "succeeded");
    assert_eq!(world.now() / 1000, 20);
}
