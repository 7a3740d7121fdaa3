//! Cancel with grace: the wait under way is told once, the guest has its time, and nothing of it stays.

use crate::s01_order::succeeds;
use crate::world::{World, name};
use serde_json::json;
use stageway_core::call::{
    Answer, Approvals, Clock, Command, Function, HostError, Http, Invocation, Request, Tasks, Value,
};
use stageway_core::journal::{Outcome, Record};
use stageway_core::run::RunStatus;
use stageway_ports::memory::TaskScript;
use std::time::Duration;

fn sleep(milliseconds: u32) -> Function {
    Function::Clock(Clock::Sleep { milliseconds })
}

fn put() -> Function {
    Function::Http(Http::Send(Request {
        method: "PUT".into(),
        url: "https://a.example/clean".into(),
        headers: vec![],
        body: Default::default(),
        secrets: vec![],
        limits: Default::default(),
        repeatable: true,
    }))
}

async fn cancelled_after(world: &World, run: &stageway_core::name::RunId, seconds: u64) -> RunStatus {
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        world.cancel(run).await;
        std::future::pending::<()>().await;
    };
    tokio::select! { status = world.drive(run) => status, () = cancel => RunStatus::Queued }
}

fn answers(journal: &[Record]) -> Vec<&Answer> {
    journal.iter().filter_map(|r| if let Record::Entry(e) = r { Some(&e.answer) } else { None }).collect()
}

/// Sleeping in memory, sleeping parked, waiting for a task, asking: the wait is told, and what follows still works.
#[tokio::test(start_paused = true)]
async fn every_kind_of_wait_is_told_once_and_the_guest_cleans_up() {
    let waits: [fn() -> Function; 4] = [
        || sleep(9_000),
        || sleep(3_000_000),
        || Function::Tasks(Tasks::Wait { task: 1 }),
        || Function::Approvals(Approvals::Ask { question: "Go?".into(), options: json!({}) }),
    ];
    for (number, wait) in waits.into_iter().enumerate() {
        let world = World::with_tasks(|_| TaskScript::runs());
        let stage = world.stage("long", move |mut host| {
            Box::pin(async move {
                let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
                host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
                assert_eq!(host.call(wait()).await?, Err(HostError::Cancelled));
                assert_eq!(
                    host.call(Function::Invocation(Invocation::IsCancelled)).await?,
                    Ok(Value::Flag(true))
                );
                host.value(put()).await?;
                host.value(sleep(2_000)).await?;
                host.value(Function::Tasks(Tasks::Cancel { task: 1 })).await?;
                host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
                Ok(json!({"clean": true}))
            })
        });
        let mut after = world.stage("after", succeeds);
        after.1.needs = [name("long")].into();
        let run = world.create("r", [stage, after]).await;
        assert_eq!(cancelled_after(&world, &run, 5).await, RunStatus::Cancelled, "wait {number}");
        assert_eq!(
            world.outcome(&run, "long").await,
            "succeeded",
            "wait {number}: it was done when it ended"
        );
        assert_eq!(world.outcome(&run, "after").await, "cancelled");
        assert_eq!(world.http.effects().len(), 1);
        assert_eq!(world.executor.running(), []);
        let journal = world.journal(&run, "long", 1).await;
        let told = answers(&journal).iter().filter(|a| ***a == Err(HostError::Cancelled)).count();
        assert_eq!(told, 1, "wait {number}");
        assert!(world.now() < 8_000, "wait {number} took {} ms", world.now());
    }
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_does_not_listen_is_stopped_after_its_grace() {
    let waits: [fn() -> Function; 3] = [
        || sleep(2_000_000),
        || Function::Tasks(Tasks::Wait { task: 1 }),
        || Function::Approvals(Approvals::Ask { question: "Go?".into(), options: json!({}) }),
    ];
    for (number, wait) in waits.into_iter().enumerate() {
        let world = World::with_tasks(|_| TaskScript::runs());
        let stage = world.stage("deaf", move |mut host| {
            Box::pin(async move {
                let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
                host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
                loop {
                    let _ = host.call(wait()).await?;
                }
            })
        });
        let run = world.create("r", [stage]).await;
        assert_eq!(cancelled_after(&world, &run, 100).await, RunStatus::Cancelled, "wait {number}");
        assert_eq!(world.outcome(&run, "deaf").await, "cancelled");
        let grace = world.now() - 100_000;
        assert!((10_000..12_000).contains(&grace), "wait {number}: {grace} ms");
        assert_eq!(world.executor.running(), [], "its tasks are gone");
        assert!(world.guests.instances() <= 3, "wait {number}: {} instances", world.guests.instances());
        let journal = world.journal(&run, "deaf", 1).await;
        assert!(matches!(journal.last(), Some(Record::End(end)) if end.outcome == Outcome::Cancelled));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_no_engine_ran_is_folded_by_the_next() {
    let world = World::new();
    let stage = world.stage("long", |mut host| {
        Box::pin(async move {
            host.value(sleep(3_000_000)).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    world.drive_until(&run, tokio::time::sleep(Duration::from_secs(5))).await;
    world.cancel(&run).await;
    assert_eq!(world.drive(&run).await, RunStatus::Cancelled);
    assert_eq!(world.outcome(&run, "long").await, "cancelled");
    assert!(world.now() < 20_000);
}
