//! What a stage costs, counted in the store.

use crate::s01_order::succeeds;
use crate::world::{World, name};
use serde_json::json;
use stageway_core::call::{Command, Function, Invocation, Tasks};
use stageway_core::journal::Record;
use stageway_core::run::RunStatus;
use stageway_ports::memory::TaskScript;

/// Commits of a chain of pure stages, the lease not counted.
async fn chain(length: usize) -> u64 {
    let world = World::new();
    let mut stages: Vec<_> = (0..length).map(|n| world.stage(&format!("s{n}"), succeeds)).collect();
    for (before, (_, stage)) in stages.iter_mut().skip(1).enumerate() {
        stage.needs = [name(&format!("s{before}"))].into();
    }
    let run = world.create("r", stages).await;
    let store = world.store.reopen();
    assert_eq!(world.drive_on(&store, &run).await.unwrap(), RunStatus::Succeeded);
    store.writes() - 1
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_pure_stages_is_one_commit_a_stage_and_one() {
    for length in [1, 10, 100] {
        let commits = chain(length).await;
        assert_eq!(commits, length as u64 + 1, "{length} stages");
    }
}

/// Lease, start, the intent of the task, and its end; its ending and the wait travel with the end.
#[tokio::test(start_paused = true)]
async fn a_stage_with_one_task_is_three_commits() {
    let world = World::with_tasks(|_| TaskScript::exits(0));
    let stage = world.stage("true", |mut host| {
        Box::pin(async move {
            let command = Box::new(Command { arguments: vec!["/bin/true".into()], ..Command::default() });
            host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
            host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    let store = world.store.reopen();
    assert_eq!(world.drive_on(&store, &run).await.unwrap(), RunStatus::Succeeded);
    assert_eq!(store.writes(), 4);
}

/// 10,000 reads, then the engine dies; what the second engine does is a replay. Prints how long it takes.
#[tokio::test]
async fn ten_thousand_entries_replay() {
    const ENTRIES: u32 = 10_000;
    let world = World::new();
    let stage = world.stage("many", |mut host| {
        Box::pin(async move {
            for _ in 0..ENTRIES {
                host.value(Function::Invocation(Invocation::IsCancelled)).await?;
            }
            let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
            host.value(Function::Tasks(Tasks::Start { name: "t".into(), command })).await?;
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    let store = world.store.reopen();
    // Lease, start, and the intent with everything before it.
    store.fault_at(3, stageway_ports::memory::Fault::CrashAfter);
    tokio::select! { _ = world.drive_on(&store, &run) => panic!("it ended"), () = store.crashed() => {} }
    let entries =
        world.journal(&run, "many", 1).await.iter().filter(|r| matches!(r, Record::Entry(_))).count();
    assert_eq!(entries, ENTRIES as usize);
    let begun = std::time::Instant::now();
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    println!("{ENTRIES} entries replayed in {:?}", begun.elapsed());
    assert_eq!(world.executor.starts().len(), 1);
}
