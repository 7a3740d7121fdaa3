//! A task on this machine, in the sandbox.

use super::Finding;
use crate::config::Settings;
use crate::wiring::{Home, executor_here};
use stageway_core::name::{RunId, StageName, TaskName, TenantId};
use stageway_core::task::{Owner, Process, TaskSpec, TaskState};
use stageway_ports::{Executor, SecretValues, TaskError};
use std::time::Duration;

/// For how long it is waited for.
const WITHIN: Duration = Duration::from_secs(30);

/// Runs `true` as every task is run.
pub(super) async fn here(settings: &Settings, home: &Home) -> Finding {
    let executor = executor_here(settings, &home.directory);
    let what = "tasks on this machine";
    match ran(&*executor).await {
        Ok(TaskState::Ended(ending)) if ending.code == Some(0) => {
            Finding::good(what, format!("the sandbox works, limits by {}", ending.limits_by))
        }
        Ok(TaskState::Ended(ending)) => Finding::wrong(
            what,
            format!("a task that does nothing ended as `{}`: {}", ending.reason.as_str(), ending.message),
            "let users make namespaces (`sysctl kernel.unprivileged_userns_clone=1`), or run as root",
        ),
        Ok(state) => Finding::wrong(
            what,
            format!("a task that does nothing is {state:?} after {} s", WITHIN.as_secs()),
            "look at the load of the machine",
        ),
        Err(error) => Finding::wrong(what, error.to_string(), "mend what is named"),
    }
}

async fn ran(executor: &dyn Executor) -> Result<TaskState, TaskError> {
    let unnamed = |error: &dyn std::fmt::Display| TaskError::Refused(error.to_string());
    let run = RunId::new(format!("doctor-{}", std::process::id())).map_err(|error| unnamed(&error))?;
    let stage = StageName::new("doctor").map_err(|error| unnamed(&error))?;
    let name = TaskName::of(&run, &stage, 1, 1);
    let owner = Owner { tenant: TenantId::local(), run, stage, attempt: 1 };
    let spec = TaskSpec::plain(owner, Process::of_toolbox(&["true"]));
    let incarnation = executor.ensure(&name, &spec, &SecretValues::default()).await?;
    let state = executor.state(&name, Some(&incarnation), WITHIN).await;
    executor.cancel(&name, Duration::ZERO).await?;
    executor.forget(&name).await?;
    state
}
