//! The lock of an environment: fenced, in the order of the runs, and regained after a restart.

use crate::s01_order::succeeds;
use crate::world::{World, tenant};
use serde_json::json;
use stageway_core::call::{Clock, Environments, Function, Value};
use stageway_core::name::RunId;
use stageway_core::plan::PlannedStage;
use stageway_core::run::{Ended, RunStatus, SkipReason, StageStatus};
use stageway_ports::Store;
use std::time::Duration;

fn production(
    mut stage: (stageway_core::name::StageName, PlannedStage),
) -> (stageway_core::name::StageName, PlannedStage) {
    stage.1.environment = Some("production".parse().unwrap());
    stage
}

fn release(number: u32) -> Function {
    Function::Environments(Environments::Release {
        environment: "production".into(),
        what: json!({"number": number}),
    })
}

/// A stage that sleeps, then releases.
fn deploys(world: &World, stage: &str, milliseconds: u32) -> (stageway_core::name::StageName, PlannedStage) {
    production(world.stage(stage, move |mut host| {
        Box::pin(async move {
            host.value(Function::Clock(Clock::Sleep { milliseconds })).await?;
            let Value::Text(id) = host.value(release(milliseconds)).await? else { panic!("an id is a text") };
            Ok(json!({"id": id}))
        })
    }))
}

#[tokio::test(start_paused = true)]
async fn an_older_run_never_overtakes_a_newer_one() {
    let world = World::new();
    let older = world.create("older", [deploys(&world, "deploy", 10)]).await;
    let newer = world.create("newer", [deploys(&world, "deploy", 10)]).await;
    assert_eq!(world.drive(&newer).await, RunStatus::Succeeded);
    assert_eq!(world.drive(&older).await, RunStatus::Skipped);
    assert_eq!(world.ended(&older, "deploy").await, Ended::Skipped(SkipReason::Outdated(newer)));
}

#[tokio::test(start_paused = true)]
async fn a_newer_run_waits_for_the_lock_and_says_so() {
    let world = World::new();
    let older = world.create("older", [deploys(&world, "deploy", 5_000)]).await;
    let newer = world.create("newer", [production(world.stage("quick", succeeds))]).await;
    let second = async {
        world.when(&older, |state| state.stages["deploy"].status == StageStatus::Running).await;
        world.drive(&newer).await
    };
    let waits = async {
        world.when(&newer, |state| matches!(&state.stages["quick"].status, StageStatus::Held(why) if why.contains("older"))).await;
        assert!(world.now() < 5_000);
    };
    let (first, second, ()) = tokio::join!(world.drive(&older), second, waits);
    assert_eq!((first, second), (RunStatus::Succeeded, RunStatus::Succeeded));
    assert!(world.now() >= 5_000);
}

/// How often blobs are read while a run waits for the lock of another and `others` write something.
async fn reads_while_held(others: u32) -> u64 {
    let mut world = World::new();
    world.file("src/main.rs", "fn main() {}").await;
    let older = world.create("older", [deploys(&world, "deploy", 60_000)]).await;
    let newer = world.create("newer", [production(world.stage("quick", succeeds))]).await;
    let second = async {
        world.when(&older, |state| state.stages["deploy"].status == StageStatus::Running).await;
        world.drive(&newer).await
    };
    let writes = async {
        let is_held = |status: &StageStatus| matches!(status, StageStatus::Held(_));
        world.when(&newer, |state| is_held(&state.stages["quick"].status)).await;
        for number in 0..others {
            tokio::time::sleep(Duration::from_millis(200)).await;
            world.create(&format!("other-{number}"), [world.stage("other", succeeds)]).await;
        }
        assert!(is_held(&world.state(&newer).await.stages["quick"].status));
    };
    let (first, second, ()) = tokio::join!(world.drive(&older), second, writes);
    assert_eq!((first, second), (RunStatus::Succeeded, RunStatus::Succeeded));
    world.blobs.gets()
}

#[tokio::test(start_paused = true)]
async fn what_a_held_stage_starts_from_is_laid_out_once() {
    assert_eq!(reads_while_held(50).await, reads_while_held(0).await);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_regains_its_lock_after_a_restart() {
    let world = World::new();
    let run = world.create("r", [deploys(&world, "deploy", 60_000)]).await;
    world.drive_until(&run, tokio::time::sleep(Duration::from_secs(30))).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    let releases = world.store.releases(&tenant(), &"production".parse().unwrap(), 10).await.unwrap();
    assert_eq!(releases.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_lock_a_newer_run_took_ends_and_says_why() {
    let world = World::new();
    let older = world.create("older", [deploys(&world, "deploy", 60_000)]).await;
    let newer = world.create("newer", [production(world.stage("quick", succeeds))]).await;
    world.drive_until(&older, tokio::time::sleep(Duration::from_secs(30))).await;
    // The engine of the older run is taken over by one that dies before it has asked for the lock.
    let now = crate::world::START + 31_000;
    world.store.lease(&tenant(), &older, "dead", now, now + 1, true).await.unwrap();
    assert_eq!(world.drive(&newer).await, RunStatus::Succeeded);
    assert_eq!(world.drive(&older).await, RunStatus::Errored);
    assert_eq!(world.outcome(&older, "deploy").await, "errored stageway/environment-lost");
}

#[tokio::test(start_paused = true)]
async fn a_stage_without_the_lock_records_no_release() {
    let world = World::new();
    let stage = world.stage("sneaky", |mut host| {
        Box::pin(async move {
            let said = host.call(release(1)).await?;
            Ok(json!({"said": format!("{said:?}")}))
        })
    });
    let run: RunId = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert!(
        world.outputs(&run, "sneaky").await["said"].as_str().unwrap().contains("environment: production")
    );
    assert_eq!(world.store.releases(&tenant(), &"production".parse().unwrap(), 10).await.unwrap(), []);
}
