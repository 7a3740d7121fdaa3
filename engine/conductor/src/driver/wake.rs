//! What parked attempts wait for: no instance, no place among the parallel stages.

use super::pace;
use crate::attempt::{Subject, Wake, rollout_ends};
use crate::cancel::cancelled;
use crate::engine::Engine;
use futures::future::select_all;
use stageway_core::call::{Clock, Cluster, Function, Tasks};
use stageway_core::journal::Cursor;
use stageway_core::name::TaskName;
use stageway_core::task::TaskState;
use stageway_ports::{Approval, TaskError};
use std::time::Duration;
use tokio::sync::watch;

/// Between two looks whether a task has its place.
const PLACE: Duration = Duration::from_secs(1);

/// What ended a wait.
pub(super) enum Woken {
    /// What was waited for.
    Outside,
    /// The stage is to end.
    Cancelled,
    /// The stage's time is over.
    Deadline,
}

/// What a parked attempt waits for, from its journal alone.
pub(super) fn of_journal(cursor: &Cursor, subject: &Subject) -> Option<Wake> {
    let intent = cursor.open_intent()?;
    let deadline = intent.state["deadline"].as_u64();
    let name = |seq: &u32| TaskName::of(&subject.writer.run, &subject.stage, subject.attempt, *seq);
    match &intent.call {
        Function::Clock(Clock::Sleep { .. }) => deadline.map(Wake::At),
        Function::Tasks(Tasks::Wait { task }) => Some(Wake::Tasks(vec![name(task)])),
        Function::Tasks(Tasks::WaitAny { tasks }) => Some(Wake::Tasks(tasks.iter().map(name).collect())),
        Function::Cluster(call @ Cluster::Rollout { .. }) => {
            Some(Wake::Rollout { call: Box::new(call.clone()), deadline: deadline? })
        }
        Function::Approvals(_) => Some(Wake::Approval { seq: intent.seq, deadline }),
        _ => None,
    }
}

/// For people.
pub(super) fn in_words(wake: &Wake) -> String {
    match wake {
        Wake::At(at) => format!("until {at}"),
        Wake::Tasks(names) if names.len() == 1 => format!("for task {}", names[0]),
        Wake::Tasks(names) => format!("for any of {} tasks", names.len()),
        Wake::Rollout { call, .. } => match &**call {
            Cluster::Rollout { kind, name, .. } => format!("for the rollout of {kind} {name}"),
            _ => "for a rollout".into(),
        },
        Wake::Approval { .. } => "for an approval".into(),
    }
}

/// The task that is waited for, while it waits itself for a place among those that run.
pub(super) async fn queued<'a>(engine: &Engine, wake: &'a Wake) -> Option<&'a TaskName> {
    let Wake::Tasks(names) = wake else { return None };
    let [name] = &names[..] else { return None };
    let state = engine.executor.state(name, None, Duration::ZERO).await;
    matches!(state, Ok(TaskState::Queued)).then_some(name)
}

/// Resolves when the task has its place.
pub(super) async fn placed(engine: &Engine, wake: &Wake) {
    while queued(engine, wake).await.is_some() {
        tokio::time::sleep(PLACE).await;
    }
}

/// Resolves when the attempt should be in memory again.
pub(super) async fn wait(
    engine: &Engine,
    subject: &Subject,
    wake: &Wake,
    cancel: watch::Receiver<bool>,
    deadline: u64,
) -> Woken {
    tokio::select! {
        () = outside(engine, subject, wake) => Woken::Outside,
        () = cancelled(cancel) => Woken::Cancelled,
        () = engine.clock.until(deadline) => Woken::Deadline,
    }
}

/// Whether nothing is left to wait for: the guest can go on, or has to do first what it waits for.
pub(super) async fn is_due(engine: &Engine, subject: &Subject, wake: &Wake) -> bool {
    match wake {
        Wake::At(at) => engine.clock.now_ms() >= *at,
        Wake::Tasks(names) => {
            for name in names {
                match engine.executor.state(name, None, Duration::ZERO).await {
                    Ok(TaskState::Queued | TaskState::Running) | Err(TaskError::Unavailable(_)) => {}
                    _ => return true,
                }
            }
            false
        }
        Wake::Rollout { deadline, .. } => engine.clock.now_ms() >= *deadline,
        Wake::Approval { seq, deadline } => {
            let over = deadline.is_some_and(|end| engine.clock.now_ms() >= end);
            // The engine may have died before it asked.
            over || question(engine, subject, *seq).await.is_none_or(|question| question.answer.is_some())
        }
    }
}

async fn outside(engine: &Engine, subject: &Subject, wake: &Wake) {
    match wake {
        Wake::At(at) => engine.clock.until(*at).await,
        Wake::Tasks(names) => {
            let waits: Vec<_> = names.iter().map(|name| Box::pin(task(engine, name))).collect();
            if !waits.is_empty() {
                select_all(waits).await;
            }
        }
        Wake::Rollout { call, deadline } => {
            rollout_ends(engine, &subject.writer.tenant, call, *deadline).await;
        }
        Wake::Approval { seq, deadline } => {
            let end = deadline.unwrap_or(u64::MAX);
            let mut seen = 0;
            while !answered(engine, subject, *seq).await && engine.clock.now_ms() < end {
                let left = Duration::from_millis(end.saturating_sub(engine.clock.now_ms()).min(5_000));
                seen = engine.store.changed(&subject.writer.tenant, seen, left).await;
                tokio::time::sleep(pace::look()).await;
            }
        }
    }
}

async fn task(engine: &Engine, name: &TaskName) {
    loop {
        match engine.executor.state(name, None, Duration::from_secs(60)).await {
            Ok(TaskState::Queued | TaskState::Running) => {}
            Ok(_) | Err(TaskError::Unknown(_)) => return,
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

async fn answered(engine: &Engine, subject: &Subject, seq: u32) -> bool {
    question(engine, subject, seq).await.is_some_and(|question| question.answer.is_some())
}

async fn question(engine: &Engine, subject: &Subject, seq: u32) -> Option<Approval> {
    let asked = engine.store.approvals(&subject.writer.tenant, &subject.writer.run).await.unwrap_or_default();
    asked.into_iter().find(|a| a.stage == subject.stage && a.attempt == subject.attempt && a.seq == seq)
}
