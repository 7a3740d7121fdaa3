//! A task from its claim to its end.

use super::disk::blocking;
use super::life::Life;
use super::table::Table;
use super::task::Task;
use super::vessel::Vessel;
use crate::local::protocol::Failure;
use crate::local::sandbox::Confinement;
use stageway_core::call::Bytes;
use stageway_core::task::{Root, TaskEnding, TaskSpec};
use stageway_ports::Incarnation;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// How often, and how far apart, writing an ending is tried.
const END_TRIES: u32 = 60;
const END_TRIES_APART: Duration = Duration::from_secs(2);

/// Runs a claimed task to its end. What it became is told through the task.
pub(super) async fn run(
    table: Arc<Table>,
    task: Arc<Task>,
    spec: TaskSpec,
    secrets: BTreeMap<String, Bytes>,
) {
    let _busy = table.busy().enter();
    let queued = Instant::now();
    let vessel = match admit(&table, &spec).await {
        Ok(vessel) => vessel,
        Err(failure) => return refuse(&table, &task, failure).await,
    };
    let incarnation = vessel.incarnation.clone();
    info!(task = %task.name, tenant.id = %spec.owner.tenant, run.id = %spec.owner.run, "task claimed");
    task.claimed.send_replace(Some(Ok(incarnation.clone())));
    let (ending, vessel) = Life::new(table.clone(), task.clone(), spec, secrets, vessel).live(queued).await;
    settle(&task, &incarnation, ending).await;
    take_down(&table, &task, vessel).await;
}

async fn admit(table: &Table, spec: &TaskSpec) -> Result<Vessel, Failure> {
    check(spec).map_err(Failure::Refused)?;
    let confinement = if spec.unconfined { Confinement::None } else { Confinement::Sandbox };
    let mut vessel = table.vessels.take(confinement).await?;
    vessel.group.bound(&spec.limits);
    Ok(vessel)
}

/// What this executor cannot do at all.
fn check(spec: &TaskSpec) -> Result<(), String> {
    let processes =
        || std::iter::once(&spec.process).chain(spec.services.iter().map(|service| &service.process));
    if spec.unconfined {
        if processes().any(|process| process.root != Root::Toolbox) {
            return Err("an image needs the sandbox, which the operator switched off".into());
        }
        if processes().any(|process| !process.files.is_empty() || !process.secret_files.is_empty()) {
            return Err(
                "files at paths of their own need the sandbox, which the operator switched off".into()
            );
        }
    }
    for process in processes() {
        if process.root == Root::Toolbox && process.arguments.is_empty() {
            return Err("a command without arguments needs an image that has an entry point".into());
        }
    }
    Ok(())
}

async fn refuse(table: &Table, task: &Task, failure: Failure) {
    warn!(task = %task.name, ?failure, "task refused");
    let (record, trash) = (task.record.clone(), table.trash());
    if let Err(error) = blocking(move || record.remove(&trash)).await {
        warn!(task = %task.name, %error, "the claim of a refused task cannot be removed");
    }
    table.leave(&task.name);
    task.claimed.send_replace(Some(Err(failure)));
}

/// Makes the ending durable and tells it.
async fn settle(task: &Task, incarnation: &Incarnation, ending: TaskEnding) {
    let ending = Arc::new(ending);
    for attempt in 1..=END_TRIES {
        let (record, incarnation, durable) = (task.record.clone(), incarnation.clone(), ending.clone());
        match blocking(move || record.end(&incarnation, &durable)).await {
            Ok(()) => {
                info!(task = %task.name, code = ?ending.code, reason = ending.reason.as_str(), "task ended");
                task.ended.send_replace(Some(ending));
                return;
            }
            // Telling an ending that a crash would undo is worse than telling it late.
            Err(problem) => {
                error!(task = %task.name, attempt, %problem, "the ending of a task cannot be written")
            }
        }
        tokio::time::sleep(END_TRIES_APART).await;
    }
}

/// Takes down what a task ran in. Only then it leaves the table, so that its name is not claimed again before.
async fn take_down(table: &Table, task: &Task, vessel: Vessel) {
    vessel.take_down().await;
    let record = task.record.clone();
    if let Err(error) = blocking(move || record.clear_site()).await {
        warn!(task = %task.name, %error, "what an ended task left cannot be removed");
    }
    table.leave(&task.name);
    task.gone.send_replace(true);
}
