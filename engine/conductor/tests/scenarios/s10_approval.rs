//! The approval before a stage signs the set of its effects.

use crate::world::{World, tenant};
use serde_json::{Value as Json, json};
use stageway_core::call::{Clock, Command, Function, HostError, Http, Images, Request, Tasks};
use stageway_core::digest::Digest;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::{Approval, PlannedStage};
use stageway_core::run::{RunStatus, StageStatus};
use stageway_ports::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn gated(mut stage: (StageName, PlannedStage)) -> (StageName, PlannedStage) {
    stage.1.approval = Some(Approval { approvers: vec![], within_ms: 600_000, question: None });
    stage
}

fn tag(digest: &Digest, tag: &str) -> Function {
    let digest = digest.to_string();
    Function::Images(Images::Tag { repository: "reg/app".into(), digest, tag: tag.into(), replaces: None })
}

fn start(word: &str) -> Function {
    let command = Box::new(Command { arguments: vec![word.into()], ..Command::default() });
    Function::Tasks(Tasks::Start { name: "t".into(), command })
}

async fn with_image(world: &World) -> Digest {
    let image = stageway_ports::contract::registry::sample(&world.blobs, "a").await;
    stageway_ports::contract::registry::push(&*world.registry, "app", &world.blobs, &image).await;
    image.digest
}

fn held(state: &stageway_core::run::RunState) -> bool {
    state.stages.values().any(|stage| matches!(stage.status, StageStatus::Held(_)))
}

/// Waits for the question, answers, and drives on; answers what was shown.
async fn answered(world: &World, run: &RunId, stage: &str, yes: bool) -> (RunStatus, Json) {
    world.drive_until(run, world.when(run, held)).await;
    let asked = world.store.approvals(&tenant(), run).await.unwrap();
    world.answer(run, stage, yes).await;
    (world.drive(run).await, asked[0].options.clone())
}

#[tokio::test(start_paused = true)]
async fn it_shows_the_effects_and_lets_exactly_them_through() {
    let world = World::new();
    let digest = with_image(&world).await;
    // While it is previewed it shows one face, and another once it is approved.
    let other = Arc::new(AtomicBool::new(false));
    let face = other.clone();
    let stage = world.stage("promote", move |mut host| {
        let other = face.load(Ordering::SeqCst);
        Box::pin(async move {
            host.value(tag(&digest, "v1")).await?;
            if other {
                let refused = host.call(tag(&digest, "evil")).await?;
                assert!(
                    matches!(&refused, Err(HostError::Denied(why)) if why.contains("approved")),
                    "{refused:?}"
                );
            }
            host.value(tag(&digest, "v1")).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [gated(stage)]).await;
    world.drive_until(&run, world.when(&run, held)).await;
    other.store(true, Ordering::SeqCst);
    let (status, shown) = answered(&world, &run, "promote", true).await;
    assert_eq!(status, RunStatus::Succeeded, "{}", world.outcome(&run, "promote").await);
    assert_eq!(shown["effects"][0]["function"], json!("images.tag"));
    assert_eq!(shown["open-end"], json!(false));
    assert_eq!(world.registry.state().into_keys().collect::<Vec<_>>(), ["app:v1"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_widen_what_was_signed() {
    let world = World::new();
    let digest = with_image(&world).await;
    let other = Arc::new(AtomicBool::new(false));
    let face = other.clone();
    let stage = world.stage("promote", move |mut host| {
        let other = face.load(Ordering::SeqCst);
        Box::pin(async move {
            host.value(Function::Clock(Clock::Sleep { milliseconds: 60_000 })).await?;
            host.value(tag(&digest, if other { "evil" } else { "v1" })).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [gated(stage)]).await;
    world.drive_until(&run, world.when(&run, held)).await;
    world.answer(&run, "promote", true).await;
    other.store(true, Ordering::SeqCst);
    world.drive_until(&run, tokio::time::sleep(Duration::from_secs(30))).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert!(world.registry.state().is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_is_a_failure_and_runs_nothing() {
    let world = World::new();
    let digest = with_image(&world).await;
    let stage = world.stage("promote", move |mut host| {
        Box::pin(async move {
            host.value(tag(&digest, "v1")).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [gated(stage)]).await;
    let (status, _) = answered(&world, &run, "promote", false).await;
    assert_eq!(status, RunStatus::Failed);
    assert_eq!(world.outcome(&run, "promote").await, "failed stageway/approval-denied");
    assert!(world.registry.state().is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_in_time() {
    let world = World::new();
    let run = world.create("r", [gated(world.stage("quiet", crate::s01_order::succeeds))]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Failed);
    assert_eq!(world.outcome(&run, "quiet").await, "failed stageway/approval-timed-out");
    assert!((600..605).contains(&(world.now() / 1000)));
}

/// The plan ends at the wait for the task: before it only the set, from it on what the grants allow.
#[tokio::test(start_paused = true)]
async fn where_the_plan_ended_early_the_grants_decide_from_there_on() {
    for early in [false, true] {
        let world = World::with_tasks(|_| stageway_ports::memory::TaskScript::exits(0));
        let digest = with_image(&world).await;
        let other = Arc::new(AtomicBool::new(false));
        let face = other.clone();
        let stage = world.stage("deploy", move |mut host| {
            let other = face.load(Ordering::SeqCst);
            Box::pin(async move {
                host.value(start("x")).await?;
                if other && early {
                    let refused = host.call(tag(&digest, "evil")).await?;
                    assert!(matches!(refused, Err(HostError::Denied(_))), "{refused:?}");
                }
                host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
                host.value(tag(&digest, "v1")).await?;
                Ok(json!({}))
            })
        });
        let run = world.create("r", [gated(stage)]).await;
        world.drive_until(&run, world.when(&run, held)).await;
        other.store(true, Ordering::SeqCst);
        let (status, shown) = answered(&world, &run, "deploy", true).await;
        assert_eq!(shown["open-end"], json!(true));
        assert_eq!(status, RunStatus::Succeeded, "{}", world.outcome(&run, "deploy").await);
        assert_eq!(world.registry.state().into_keys().collect::<Vec<_>>(), ["app:v1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plugin_that_breaks_in_its_preview_gets_nothing_signed() {
    let world = World::new();
    let digest = with_image(&world).await;
    let other = Arc::new(AtomicBool::new(false));
    let face = other.clone();
    let stage = world.stage("promote", move |mut host| {
        let other = face.load(Ordering::SeqCst);
        Box::pin(async move {
            if !other {
                return Err(stageway_ports::GuestEnd::Trap("unreachable".into()));
            }
            host.value(tag(&digest, "v1")).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [gated(stage)]).await;
    world.drive_until(&run, world.when(&run, held)).await;
    other.store(true, Ordering::SeqCst);
    let (status, _) = answered(&world, &run, "promote", true).await;
    assert_eq!(status, RunStatus::Errored);
    assert!(world.registry.state().is_empty(), "nothing was signed");
}

/// A signed request that may not be repeated is sent once.
#[tokio::test(start_paused = true)]
async fn an_unkeyed_effect_does_not_repeat() {
    let world = World::new();
    let post = || {
        Function::Http(Http::Send(Request {
            method: "POST".into(),
            url: "https://a.example/hook".into(),
            headers: vec![],
            body: Default::default(),
            secrets: vec![],
            limits: Default::default(),
            repeatable: false,
        }))
    };
    let other = Arc::new(AtomicBool::new(false));
    let face = other.clone();
    let stage = world.stage("hook", move |mut host| {
        let other = face.load(Ordering::SeqCst);
        Box::pin(async move {
            host.value(post()).await?;
            if other {
                let again = host.call(post()).await?;
                return Ok(json!({"again": again.is_ok()}));
            }
            Ok(json!({}))
        })
    });
    let run = world.create("r", [gated(stage)]).await;
    world.drive_until(&run, world.when(&run, held)).await;
    other.store(true, Ordering::SeqCst);
    let (status, shown) = answered(&world, &run, "hook", true).await;
    assert_eq!(status, RunStatus::Succeeded);
    assert_eq!(shown["open-end"], json!(true), "the plan ends at its answer");
    assert_eq!(world.http.received(), 1);
}
