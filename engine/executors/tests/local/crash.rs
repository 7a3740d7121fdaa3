//! What is left when something is killed without a warning.

use crate::fixture::{IDLE_MS, Local, counted, kill, lines, shell, until};
use stageway_core::call::EndingReason;
use stageway_core::name::TaskName;
use stageway_core::task::TaskState;
use stageway_ports::contract::executor::{ending, output};
use stageway_ports::{Executor, Incarnation, SecretValues, TaskError};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Counts itself at its start and at its end, and writes in between.
const WORK: &str = "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.05; done; echo end >> /count/ends";

fn engine(local: &Local, task: &str, script: &str) -> Child {
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .arg("engine")
        .args([local.state(), local.blobs_path()])
        .args([task, script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(engine.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ensured\n");
    engine
}

pub async fn a_task_outlives_the_engine_and_starts_once() {
    let (local, name) = (Local::new(), TaskName::new("work").unwrap());
    let mut first = engine(&local, "work", WORK);
    until("the task has started", || local.starts("work") > 0);
    first.kill().unwrap();
    first.wait().unwrap();
    let known = local.executor.ensure(&name, &counted("work", WORK), &SecretValues::default()).await.unwrap();
    let state = local.executor.state(&name, Some(&known), Duration::from_secs(20)).await.unwrap();
    assert!(matches!(&state, TaskState::Ended(ending) if ending.code == Some(0)), "{state:?}");
    assert_eq!(output(&local.executor, &name, 5).await, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
    assert_eq!((local.starts("work"), lines(&local.count("ends"))), (1, 1));
}

pub async fn a_task_whose_supervisor_is_killed_is_lost_and_never_started_again() {
    let (local, name) = (Local::new(), TaskName::new("work").unwrap());
    let spec =
        counted("work", "echo $$ >> /count/alive; while :; do echo x >> /count/beat; sleep 0.02; done");
    let known = local.executor.ensure(&name, &spec, &SecretValues::default()).await.unwrap();
    until("the task has started", || lines(&local.count("beat")) > 0);
    local.kill_supervisor();
    assert_eq!(local.executor.state(&name, Some(&known), Duration::ZERO).await.unwrap(), TaskState::Lost);
    let again = local.executor.ensure(&name, &spec, &SecretValues::default()).await.unwrap();
    assert_eq!(again, known);
    assert_eq!(local.executor.state(&name, Some(&again), Duration::ZERO).await.unwrap(), TaskState::Lost);
    assert_eq!(local.starts("work"), 1);
    // Its processes ended with the supervisor, so nothing of the lost one works beside the next attempt.
    until("the lost task is silent", || {
        let before = lines(&local.count("beat"));
        std::thread::sleep(Duration::from_millis(200));
        lines(&local.count("beat")) == before
    });
    local.executor.forget(&name).await.unwrap();
    assert!(local.executor.sweep().await.unwrap().is_empty());
}

pub async fn a_claim_without_a_start_is_started() {
    let local = Local::new();
    local.run("first", &shell("exit 0")).await;
    local.kill_supervisor();
    std::fs::create_dir(local.state().join("tasks/work")).unwrap();
    assert!(local.executor.sweep().await.unwrap().contains(&TaskName::new("work").unwrap()));
    let (ending, _) = local.run("work", &counted("work", "exit 0")).await;
    assert_eq!((ending.code, local.starts("work")), (Some(0), 1));
}

pub async fn a_supervisor_with_nothing_to_do_ends_and_its_tasks_are_remembered() {
    let local = Local::new();
    let name = local.start("work", &counted("work", "echo kept; exit 3")).await;
    ending(&local.executor, &name).await;
    let supervisor = local.supervisor().unwrap();
    until("the supervisor has ended", || local.supervisor() != Some(supervisor));
    assert!(IDLE_MS.parse::<u64>().unwrap() < 1000);
    assert_eq!(ending(&local.executor, &name).await.code, Some(3));
    assert_eq!(output(&local.executor, &name, 100).await, "kept\n");
    local.start("work", &counted("work", "exit 0")).await;
    assert_eq!(local.starts("work"), 1);
}

pub async fn two_engines_share_one_supervisor() {
    let local = Local::new();
    let (one, two) = (local.another(), local.another());
    let (name, spec) = (TaskName::new("work").unwrap(), counted("work", "sleep 0.2"));
    let secrets = SecretValues::default();
    let (a, b) = tokio::join!(one.ensure(&name, &spec, &secrets), two.ensure(&name, &spec, &secrets));
    assert_eq!(a.unwrap(), b.unwrap());
    let ending = ending(&local.executor, &name).await;
    assert_eq!((ending.reason, local.starts("work")), (EndingReason::Exited, 1));
    let supervisor = local.supervisor().unwrap();
    kill(supervisor);
}

/// Where all tasks are pods, the engine may be somewhere that has no sandbox at all.
pub async fn no_supervisor_is_started_for_what_was_never_claimed() {
    let (local, name) = (Local::by(&["false"]), TaskName::new("elsewhere").unwrap());
    let executor = &local.executor;
    let unknown = executor.state(&name, None, Duration::ZERO).await.unwrap_err();
    assert!(matches!(unknown, TaskError::Unknown(_)), "{unknown}");
    let known = Incarnation("of a pod".into());
    assert_eq!(executor.state(&name, Some(&known), Duration::ZERO).await.unwrap(), TaskState::Lost);
    executor.forget(&name).await.unwrap();
    assert!(executor.sweep().await.unwrap().is_empty());
    assert!(!local.state().exists());
}
