//! A matrix: its cells are stages, and what needs it waits for all of them and sees one map.

use crate::s01_order::{failure, succeeds};
use crate::world::{World, name, tenant};
use serde_json::{Value as Json, json};
use stageway_core::call::{Function, Invocation, Value};
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::{Cell, Condition, Plan, PlannedStage, Retry, RetryOn};
use stageway_core::run::{Ended, RunStatus, SkipReason, again};
use stageway_ports::memory::{ScriptedHost, ScriptedLife};
use stageway_ports::{Clock as _, GuestEnd, NewRun, Store as _};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SYSTEMS: [&str; 3] = ["linux", "macos", "windows"];

/// Answers what its configuration says: `fail`, or a system.
fn builds(host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async move {
        match host.configuration()["os"].as_str() {
            Some("fail") | None => Err(GuestEnd::Failed(failure("test/failed"))),
            Some(os) => Ok(json!({ "os": os })),
        }
    })
}

/// The cells of the stage `build`, each with the value that `os` says.
fn cells(world: &World, os: impl Fn(&str) -> &str) -> Vec<(StageName, PlannedStage)> {
    let (_, planned) = world.stage("build", builds);
    let cell = |key: &str| {
        let values = BTreeMap::from([("os".to_owned(), json!(os(key)))]);
        let cell = Some(Cell { of: name("build"), key: key.to_owned(), values });
        let with = json!({ "os": "${{ matrix.os }}" });
        (name(&format!("build-{key}")), PlannedStage { cell, with, ..planned.clone() })
    };
    SYSTEMS.map(cell).into()
}

/// A stage that needs all cells and answers what it sees of them.
fn report(world: &World) -> (StageName, PlannedStage) {
    let (report, mut planned) = world.stage("report", |mut host| {
        Box::pin(async move {
            let (stage, name) = ("build".into(), "linux".into());
            let asked = host.value(Function::Invocation(Invocation::UpstreamOutput { stage, name })).await?;
            let Value::MaybeJson(linux) = asked else { panic!("{asked:?}") };
            Ok(json!({ "with": host.configuration(), "linux": linux }))
        })
    });
    planned.needs = SYSTEMS.map(|key| name(&format!("build-{key}"))).into();
    planned.with = json!({ "all": "${{ stages.build.outputs }}", "was": "${{ stages.build.status }}" });
    (report, planned)
}

fn plan(world: &World, stages: Vec<(StageName, PlannedStage)>) -> Plan {
    let mut plan = world.plan(stages);
    let cells = SYSTEMS.map(|key| (key.to_owned(), name(&format!("build-{key}"))));
    plan.matrices = BTreeMap::from([(name("build"), cells.into())]);
    plan
}

async fn drive(world: &World, id: &str, plan: Plan) -> (RunId, RunStatus) {
    let run = world.create_plan(id, plan).await;
    let status = world.drive(&run).await;
    (run, status)
}

fn same(key: &str) -> &str {
    key
}

#[tokio::test(start_paused = true)]
async fn every_cell_has_its_attempts_and_what_needs_them_sees_a_map() {
    let world = World::new();
    let mut stages = cells(&world, same);
    let lives = Arc::new(AtomicU32::new(0));
    let (_, flaky) = world.stage("flaky", move |_| {
        let life = lives.fetch_add(1, Ordering::SeqCst) + 1;
        Box::pin(async move {
            match life {
                1 => Err(GuestEnd::Errored(failure("test/net"))),
                _ => Ok(json!({ "os": "macos" })),
            }
        })
    });
    let retry = Retry { attempts: 2, on: [RetryOn::Errored].into(), ..Retry::default() };
    stages[1].1 = PlannedStage { cell: stages[1].1.cell.clone(), retry, ..flaky };
    stages.push(report(&world));
    let (run, status) = drive(&world, "r", plan(&world, stages)).await;
    assert_eq!(status, RunStatus::Succeeded);
    let state = world.state(&run).await;
    let attempts: Vec<_> = state.stages.values().map(|stage| stage.attempts).collect();
    assert_eq!(attempts, [1, 2, 1, 1]);
    for (cell, attempt) in [("build-linux", 1), ("build-macos", 1), ("build-macos", 2)] {
        assert!(!world.journal(&run, cell, attempt).await.is_empty(), "{cell}, attempt {attempt}");
    }
    let all: Json = SYSTEMS.map(|key| (key.to_owned(), json!({ "os": key }))).into_iter().collect();
    let seen = json!({ "with": { "all": all, "was": "succeeded" }, "linux": { "os": "linux" } });
    assert_eq!(world.outputs(&run, "report").await, seen);
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_fails_stops_no_other_and_skips_what_needs_them() {
    let world = World::new();
    let mut stages = cells(&world, |key| if key == "macos" { "fail" } else { key });
    stages.push(report(&world));
    let mut last = world.stage("last", succeeds);
    last.1.finally = true;
    stages.push(last);
    let (run, status) = drive(&world, "r", plan(&world, stages)).await;
    assert_eq!(status, RunStatus::Failed);
    assert_eq!(world.outcome(&run, "build-linux").await, "succeeded");
    assert_eq!(world.outcome(&run, "build-macos").await, "failed test/failed");
    assert_eq!(world.outcome(&run, "build-windows").await, "succeeded");
    let reason = SkipReason::Upstream(name("build-macos"));
    assert_eq!(world.ended(&run, "report").await, Ended::Skipped(reason));
    assert_eq!(world.outcome(&run, "last").await, "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_cell_that_its_condition_skips_is_not_in_the_map() {
    let world = World::new();
    let mut stages = cells(&world, same);
    for (_, stage) in &mut stages {
        let when = "matrix.os != 'windows' && success()";
        stage.when = Condition { source: when.into(), decided: None, ..stage.when.clone() };
    }
    stages.push(report(&world));
    let (run, status) = drive(&world, "r", plan(&world, stages)).await;
    assert_eq!(status, RunStatus::Succeeded);
    assert_eq!(world.outcome(&run, "build-windows").await, "skipped");
    let with = &world.outputs(&run, "report").await["with"];
    let all = json!({ "linux": { "os": "linux" }, "macos": { "os": "macos" } });
    assert_eq!(*with, json!({ "all": all, "was": "succeeded" }));
}

#[tokio::test(start_paused = true)]
async fn each_cell_is_skipped_with_its_own_proof() {
    let mut world = World::new();
    world.rules.skip = true;
    let (first, _) = drive(&world, "first", plan(&world, cells(&world, same))).await;
    let changed = cells(&world, |key| if key == "macos" { "darwin" } else { key });
    let (second, status) = drive(&world, "second", plan(&world, changed)).await;
    assert_eq!(status, RunStatus::Succeeded);
    for key in ["linux", "windows"] {
        let cell = format!("build-{key}");
        let ended = world.ended(&second, &cell).await;
        let Ended::Skipped(SkipReason::Unchanged(proof)) = &ended else { panic!("{cell}: {ended:?}") };
        assert_eq!((&proof.run, &proof.outputs["os"]), (&first, &json!(key)));
    }
    assert_eq!(world.outputs(&second, "build-macos").await, json!({ "os": "darwin" }));
    assert_eq!(world.outcome(&second, "build-macos").await, "succeeded");
}

#[tokio::test(start_paused = true)]
async fn one_cell_is_done_again_with_what_follows_from_it() {
    let world = World::new();
    let mut stages = cells(&world, same);
    stages.push(report(&world));
    let plan = plan(&world, stages);
    let (first, _) = drive(&world, "first", plan.clone()).await;
    let state = world.state(&first).await;
    let at = world.clock.now_ms();
    let events = again(&plan, (&first, &state), Some(&name("build-macos")), at).unwrap();
    let (second, before) = (RunId::new("second").unwrap(), world.guests.instances());
    let (pipeline, plan) = (plan.pipeline.clone(), serde_json::to_value(&plan).unwrap());
    let new = NewRun { id: second.clone(), pipeline, plan, at, events };
    world.store.reopen().create_run(&tenant(), new).await.unwrap();
    assert_eq!(world.drive(&second).await, RunStatus::Succeeded);
    assert_eq!(world.guests.instances() - before, 2, "one cell and the report");
    assert_eq!(world.outputs(&second, "report").await, world.outputs(&first, "report").await);
    assert_eq!(world.outcome(&second, "build-macos").await, "succeeded");
    assert_eq!(world.outcome(&second, "build-linux").await, "skipped");
}

#[tokio::test(start_paused = true)]
async fn who_cancels_ends_every_cell() {
    let world = World::new();
    let (_, sleeper) = world.stage("sleeper", |mut host| {
        Box::pin(async move {
            let sleep = stageway_core::call::Clock::Sleep { milliseconds: 3_000_000 };
            host.value(Function::Clock(sleep)).await?;
            Ok(json!({}))
        })
    });
    let mut stages = cells(&world, same);
    for (_, stage) in &mut stages {
        *stage = PlannedStage { cell: stage.cell.clone(), ..sleeper.clone() };
    }
    stages.push(report(&world));
    let run = world.create_plan("r", plan(&world, stages)).await;
    let cancel = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        world.cancel(&run).await;
    };
    let (status, ()) = tokio::join!(world.drive(&run), cancel);
    assert_eq!(status, RunStatus::Cancelled);
    for stage in ["build-linux", "build-macos", "build-windows", "report"] {
        assert_eq!(world.outcome(&run, stage).await, "cancelled", "{stage}");
    }
}
