//! An environment that stands still: what would enter it waits, says why, and goes on after the thaw.

use crate::s01_order::succeeds;
use crate::world::{World, tenant};
use stageway_core::run::{RunStatus, StageStatus};
use stageway_ports::{Freeze, Freezes};
use std::time::Duration;

fn freeze(reason: &str) -> Freeze {
    Freeze {
        environment: Some("production".parse().unwrap()),
        reason: reason.into(),
        by: "ada".into(),
        at: 1,
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_waits_for_the_thaw_and_nothing_is_dropped() {
    let world = World::new();
    let mut deploy = world.stage("deploy", succeeds);
    deploy.1.environment = Some("production".parse().unwrap());
    let run = world.create("held", [world.stage("build", succeeds), deploy]).await;
    world.store.freeze(&tenant(), freeze("sale")).await.unwrap();
    let thaws = async {
        let why = "until `production` is thawed, frozen by ada: sale";
        world.when(&run, |state| state.stages["deploy"].status == StageStatus::Held(why.into())).await;
        // What needs no environment goes on.
        world.when(&run, |state| state.stages["build"].ended().is_some()).await;
        assert_eq!(world.outcome(&run, "build").await, "succeeded");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(world.state(&run).await.ended_at.is_none());
        world.store.freeze(&tenant(), freeze("audit")).await.unwrap();
        let why = "until `production` is thawed, frozen by ada: audit";
        world.when(&run, |state| state.stages["deploy"].status == StageStatus::Held(why.into())).await;
        world.store.thaw(&tenant(), freeze("")).await.unwrap();
    };
    let (status, ()) = tokio::join!(world.drive(&run), thaws);
    assert_eq!(status, RunStatus::Succeeded);
    assert!(world.now() < 660_000, "the thaw wakes it: {}", world.now());
}
