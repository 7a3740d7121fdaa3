//! Attempts that wait long leave memory, and come back when what they wait for is there.

use crate::world::World;
use serde_json::json;
use stageway_core::call::{Approvals, Clock, Command, Function, Tasks, Value};
use stageway_core::name::TaskName;
use stageway_core::run::{RunEvent, RunStatus, StageStatus};
use stageway_ports::memory::{ScriptedHost, ScriptedLife, TaskScript, exited};
use std::time::Duration;

fn ask(_number: u32) -> Function {
    Function::Approvals(Approvals::Ask { question: "Go?".into(), options: json!({}) })
}

fn asks(mut host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async move {
        let Value::Json(said) = host.value(ask(1)).await? else { panic!("an answer is JSON") };
        Ok(json!({"approved": said["approved"], "by": said["by"]}))
    })
}

fn parked(state: &stageway_core::run::RunState) -> usize {
    state.stages.values().filter(|stage| matches!(stage.status, StageStatus::Parked(_))).count()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_parked_attempts_hold_no_instance_and_all_end_in_their_time() {
    let world = World::new();
    let stages: Vec<_> = (0..1_000_u32)
        .map(|n| {
            world.stage(&format!("s{n}"), move |mut host| {
                Box::pin(async move {
                    host.value(Function::Clock(Clock::Sleep { milliseconds: 3_600_000 + n })).await?;
                    let now = host.value(Function::Clock(Clock::NowMs)).await?;
                    let Value::Number(now) = now else { panic!("now is a number") };
                    Ok(json!({"at": now}))
                })
            })
        })
        .collect();
    let mut plan = world.plan(stages);
    plan.stages.values_mut().for_each(|stage| stage.timeout_ms = 3 * 3_600_000);
    let run = world.create_plan("r", plan).await;
    let look = async {
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(parked(&world.state(&run).await), 1_000);
        assert_eq!(world.guests.live(), 0, "a parked attempt is in memory");
        assert!(world.now() < 60_000);
        std::future::pending::<()>().await;
    };
    let status = tokio::select! { status = world.drive(&run) => status, () = look => RunStatus::Queued };
    assert_eq!(status, RunStatus::Succeeded);
    assert!(world.guests.most_live() <= world.rules.parallel_stages, "{} at once", world.guests.most_live());
    assert_eq!(world.guests.instances(), 2_000);
    for n in [0, 1, 500, 999] {
        let at = world.outputs(&run, &format!("s{n}")).await["at"].as_f64().unwrap() as u64;
        let due = crate::world::START + 3_600_000 + n;
        assert!((due..due + 30_000).contains(&at), "s{n} was due at {due} and went on at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_outlives_five_restarts() {
    let world = World::new();
    let run = world.create("r", [world.stage("ask", asks)]).await;
    for restart in 0..5 {
        let parked = world.when(&run, |state| parked(state) == 1);
        let a_while = async {
            parked.await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        };
        world.drive_until(&run, a_while).await;
        assert_eq!(world.guests.instances(), 1, "restart {restart} ran the guest of a parked attempt");
    }
    world.answer(&run, "ask", true).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "ask").await, json!({"approved": true, "by": "ada"}));
    assert_eq!(world.guests.instances(), 2);
    let asked = stageway_ports::Store::approvals(&world.store, &crate::world::tenant(), &run).await.unwrap();
    assert_eq!(asked.len(), 1, "it was asked once");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_while_no_engine_ran_is_taken() {
    let world = World::new();
    let run = world.create("r", [world.stage("ask", asks)]).await;
    world.drive_until(&run, world.when(&run, |state| parked(state) == 1)).await;
    world.answer(&run, "ask", false).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "ask").await["approved"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn a_question_nobody_answers_times_out() {
    let world = World::new();
    let stage = world.stage("ask", |mut host| {
        Box::pin(async move {
            let options = json!({"within-ms": 120_000});
            let said =
                host.call(Function::Approvals(Approvals::Ask { question: "Go?".into(), options })).await?;
            Ok(json!({"said": format!("{said:?}")}))
        })
    });
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "ask").await["said"], json!("Err(TimedOut)"));
    assert_eq!(world.now() / 1000, 120);
}

fn builds(mut host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async move {
        let command = Box::new(Command { arguments: vec!["make".into()], ..Command::default() });
        host.value(Function::Tasks(Tasks::Start { name: "make".into(), command })).await?;
        let Value::Ending(ending) = host.value(Function::Tasks(Tasks::Wait { task: 1 })).await? else {
            panic!("a task has an ending")
        };
        Ok(json!({"code": ending.code}))
    })
}

#[tokio::test(start_paused = true)]
async fn what_a_task_writes_while_its_attempt_is_parked_is_told_at_once_and_once() {
    let world = World::with_tasks(|_| TaskScript::runs().writing("started\n"));
    let run = world.create("r", [world.stage("build", builds)]).await;
    let task = TaskName::of(&run, &crate::world::name("build"), 1, 1);
    let told = || world.seen.lines.lock().unwrap().clone();
    let outside = async {
        world.when(&run, |state| parked(state) == 1).await;
        world.executor.write(&task, b"half way\n");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.guests.live(), 0);
        assert_eq!(told(), ["started", "half way"], "while no instance is in memory");
        world.executor.write(&task, b"done\n");
        world.executor.finish(&task, exited(0));
        std::future::pending::<()>().await;
    };
    let status = tokio::select! { status = world.drive(&run) => status, () = outside => RunStatus::Queued };
    assert_eq!(status, RunStatus::Succeeded);
    assert_eq!(told(), ["started", "half way", "done"]);
    let lines: Vec<_> = world.lines(&run).await.into_iter().map(|line| line.line.text).collect();
    assert_eq!(lines, told());
}

#[tokio::test(start_paused = true)]
async fn a_parked_task_is_followed_after_a_restart_too() {
    let world = World::with_tasks(|_| TaskScript::runs().writing("started\n"));
    let run = world.create("r", [world.stage("build", builds)]).await;
    let task = TaskName::of(&run, &crate::world::name("build"), 1, 1);
    world.drive_until(&run, world.when(&run, |state| parked(state) == 1)).await;
    world.executor.write(&task, b"half way\n");
    world.drive_until(&run, tokio::time::sleep(Duration::from_secs(60))).await;
    assert_eq!(world.guests.instances(), 1, "no instance for that");
    let lines: Vec<_> = world.lines(&run).await.into_iter().map(|line| line.line.text).collect();
    assert_eq!(lines, ["started", "half way"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_task_is_attached_again_not_started_again() {
    let world = World::with_tasks(|_| TaskScript::runs().writing("started\n"));
    let run = world.create("r", [world.stage("build", builds)]).await;
    let task = TaskName::of(&run, &crate::world::name("build"), 1, 1);
    world.drive_until(&run, world.when(&run, |state| parked(state) == 1)).await;
    assert_eq!(world.guests.live(), 0);
    let finish = async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        world.executor.write(&task, b"done\n");
        world.executor.finish(&task, exited(3));
        std::future::pending::<()>().await;
    };
    let status = tokio::select! { status = world.drive(&run) => status, () = finish => RunStatus::Queued };
    assert_eq!(status, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "build").await, json!({"code": 3}));
    assert_eq!(world.executor.starts().into_values().collect::<Vec<_>>(), [1]);
    let lines: Vec<_> = world.lines(&run).await.into_iter().map(|line| line.line.text).collect();
    assert_eq!(lines, ["started", "done"]);
    assert_eq!(
        stageway_ports::Executor::sweep(&world.executor).await.unwrap(),
        [],
        "an ended task is forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn a_woken_attempt_says_so_after_a_restart_too() {
    let world = World::new();
    let stage = world.stage("nap", |mut host| {
        Box::pin(async move {
            host.value(Function::Clock(Clock::Sleep { milliseconds: 100_000 })).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    world.drive_until(&run, world.when(&run, |state| parked(state) == 1)).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    let events = world.events(&run).await;
    let resumes: Vec<_> = events
        .iter()
        .filter_map(|e| if let RunEvent::AttemptResumed { counts, .. } = e { Some(*counts) } else { None })
        .collect();
    assert_eq!(resumes, [false], "waking is no fault");
    assert_eq!(world.now() / 1000, 100, "the deadline is that of the first engine");
}
