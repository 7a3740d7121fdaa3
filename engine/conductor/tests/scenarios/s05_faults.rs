//! Faults of ours: never an answer, never an endless loop, never a write without the lease.

use crate::world::{START, World, name, settle, tenant};
use serde_json::json;
use stageway_conductor::driver::DriveError;
use stageway_core::call::{Clock, Command, Function, Http, Images, Request, Tasks};
use stageway_core::journal::Record;
use stageway_core::name::TaskName;
use stageway_core::run::RunStatus;
use stageway_ports::memory::{ExecutorFault, Fault, TaskScript};
use stageway_ports::{GuestEnd, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn put(number: u32) -> Function {
    Function::Http(Http::Send(Request {
        method: "PUT".into(),
        url: format!("https://a.example/{number}"),
        headers: vec![],
        body: Default::default(),
        secrets: vec![],
        limits: Default::default(),
        repeatable: true,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_no_answer_and_the_attempt_goes_on() {
    let world = World::new();
    let stage = world.stage("three", |mut host| {
        Box::pin(async move {
            for number in 0..3 {
                host.value(put(number)).await?;
            }
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    let store = world.store.reopen();
    // Lease, start, then one write a request.
    store.fault_at(4, Fault::Refuse);
    assert_eq!(world.drive_on(&store, &run).await.unwrap(), RunStatus::Succeeded);
    assert_eq!(world.guests.instances(), 2);
    assert_eq!(world.http.effects().len(), 3);
    let journal = world.journal(&run, "three", 1).await;
    assert!(journal.iter().all(|r| !matches!(r, Record::Entry(entry) if entry.answer.is_err())));
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_does_not_answer_is_no_answer_and_starts_once() {
    for fault in [ExecutorFault::BeforeStart, ExecutorFault::AfterStart] {
        let world = World::with_tasks(|_| TaskScript::exits(0));
        let stage = world.stage("task", |mut host| {
            Box::pin(async move {
                let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
                host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
                host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
                Ok(json!({}))
            })
        });
        let run = world.create("r", [stage]).await;
        let task = TaskName::of(&run, &name("task"), 1, 1);
        world.executor.fail_next_ensure(&task, fault);
        assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
        assert_eq!(world.executor.starts()[&task], 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn five_resumes_without_a_new_entry_end_the_attempt_and_its_tasks() {
    let world = World::with_tasks(|_| TaskScript::runs());
    let stage = world.stage("killer", |mut host| {
        Box::pin(async move {
            let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
            host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
            host.value(put(1)).await?;
            std::future::pending().await
        })
    });
    let run = world.create("r", [stage]).await;
    for _ in 0..6 {
        world.drive_until(&run, tokio::time::sleep(Duration::from_secs(1))).await;
    }
    assert_eq!(world.guests.instances(), 6, "one start and five resumes");
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert_eq!(world.outcome(&run, "killer").await, "errored stageway/resume-cap");
    assert_eq!(world.guests.instances(), 6, "the sixth resume does not run the guest");
    assert_eq!(world.executor.running(), [], "its task has ended with it");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_is_at_fault_is_tried_five_times() {
    let world = World::new();
    let lives = Arc::new(AtomicU32::new(0));
    let count = lives.clone();
    let stage = world.stage("broken", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        let stop = stageway_core::call::Stop::Fault("the worker is gone".into());
        Box::pin(async move { Err(GuestEnd::Stopped(stop)) })
    });
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    assert_eq!(world.outcome(&run, "broken").await, "errored stageway/engine-fault");
    assert_eq!(lives.load(Ordering::SeqCst), 6);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_lost_the_lease_writes_nothing_and_ends_nobodys_tasks() {
    let world = World::with_tasks(|_| TaskScript::runs());
    let stage = world.stage("shared", |mut host| {
        Box::pin(async move {
            let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
            host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
            host.value(Function::Clock(Clock::Sleep { milliseconds: 5_000 })).await?;
            host.value(put(1)).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    let store = world.store.reopen();
    let other = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = START + 2_000;
        let lease = world.store.lease(&tenant(), &run, "other", now, now + 60_000, true).await.unwrap();
        assert!(lease.is_some());
        let record = world.store.run(&tenant(), &run).await.unwrap().unwrap();
        let journal = world.journal(&run, "shared", 1).await;
        std::future::pending::<()>().await;
        (record, journal)
    };
    let error = tokio::select! { ended = world.drive_on(&store, &run) => ended.unwrap_err(), _ = other => unreachable!() };
    settle().await;
    assert!(matches!(error, DriveError::Store(StoreError::Fenced { .. })), "{error}");
    assert_eq!(world.http.received(), 0, "an effect without the lease");
    assert_eq!(world.executor.running().len(), 1, "the task is the new engine's");
    assert_eq!(
        world.journal(&run, "shared", 1).await.len(),
        4,
        "header, intent and entry of the start, intent of the sleep"
    );
    assert_eq!(world.state(&run).await.stages["shared"].ended(), None);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_makes_another_call_ends_with_both_shown() {
    let world = World::new();
    let lives = Arc::new(AtomicU32::new(0));
    let stage = world.stage("moody", move |mut host| {
        let life = lives.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            host.value(put(life)).await?;
            host.value(put(7)).await?;
            host.value(put(8)).await?;
            std::future::pending().await
        })
    });
    let run = world.create("r", [stage]).await;
    world.drive_until(&run, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!(world.drive(&run).await, RunStatus::Errored);
    let stageway_core::run::Ended::Errored(failure) = world.ended(&run, "moody").await else {
        panic!("errored")
    };
    assert_eq!(failure.code, "stageway/diverged");
    for shown in ["entry 1", "https://a.example/0", "https://a.example/1"] {
        assert!(failure.message.contains(shown), "{shown}: {}", failure.message);
    }
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down_is_an_answer() {
    let world = World::new();
    let stage = world.stage("look", |mut host| {
        Box::pin(async move {
            let find = Images::Find { repository: "elsewhere/app".into(), reference: "v1".into() };
            let said = host.call(Function::Images(find)).await?;
            Ok(json!({"said": format!("{said:?}")}))
        })
    });
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert!(world.outputs(&run, "look").await["said"].as_str().unwrap().contains("Denied"));
}
