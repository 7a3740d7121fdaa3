//! Tasks that are still there although their attempt has ended: an engine died after that was durable, and before it had the
//! executor forget them.

use super::load;
use crate::engine::Engine;
use stageway_core::name::{RunId, StageName, TaskName, TenantId};
use stageway_core::run::{RunState, StageStatus};
use stageway_ports::TaskError;
use std::collections::BTreeMap;
use std::time::Duration;

/// Has the executor forget every task of an attempt that has ended. Failing is harmless: the next run tries again.
pub(super) async fn forget(engine: &Engine, tenant: &TenantId) {
    let names = match engine.executor.sweep().await {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!(%error, "tasks that were left behind cannot be looked for");
            return;
        }
    };
    let mut runs: BTreeMap<RunId, Option<RunState>> = BTreeMap::new();
    for name in names {
        let Some((run, stage, attempt)) = name.origin() else { continue };
        if !runs.contains_key(&run) {
            // One that is not the tenant's is somebody else's to forget.
            let state = load(&*engine.store, tenant, &run).await.ok().map(|loaded| loaded.state);
            runs.insert(run.clone(), state);
        }
        if runs[&run].as_ref().is_some_and(|state| has_ended(state, &stage, attempt)) {
            forget_one(engine, &name).await;
        }
    }
}

fn has_ended(state: &RunState, stage: &StageName, attempt: u32) -> bool {
    let Some(stage) = state.stages.get(stage) else { return false };
    let under_way = matches!(stage.status, StageStatus::Running | StageStatus::Parked(_));
    attempt < stage.attempts || (attempt == stage.attempts && !under_way)
}

async fn forget_one(engine: &Engine, name: &TaskName) {
    // One that runs although its attempt has ended is nobody's: it is told to end, and the next run forgets it.
    let done = match engine.executor.cancel(name, Duration::ZERO).await {
        Ok(()) | Err(TaskError::Unknown(_)) => engine.executor.forget(name).await,
        failed => failed,
    };
    if let Err(error) = done {
        tracing::warn!(task.name = %name, %error, "a task that was left behind could not be forgotten");
    }
}
