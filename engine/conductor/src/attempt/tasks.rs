use super::{Attempt, Halt, Outcome, Wake, artifacts, http, invalid, workspace};
use serde_json::{Value as Json, json};
use stageway_core::call::{Command, Ending, EndingReason, Function, HostError, Http, Stop, Tasks, Value};
use stageway_core::name::TaskName;
use stageway_core::task::{Collected, TaskEnding, TaskState};
use stageway_core::workspace::{Node, WorkspacePath};
use stageway_ports::{Executor, SecretValues, TaskError, read_tree};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod image;
mod login;
mod spec;

/// A task of this attempt, from the answer of its `start` on.
pub(super) struct Running {
    pub(super) name: TaskName,
    /// Where the workspace stands in it; none if it mounts none.
    mount: Option<String>,
    /// What is collected, the stage's own artifacts included: name to path.
    collect: BTreeMap<String, String>,
    /// What its output must not show.
    secrets: Confidential,
    pub(super) ended: bool,
    collected: BTreeMap<String, Collected>,
}

/// Everything confidential that flows into a task, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Confidential {
    secrets: Vec<String>,
    /// Docker configurations: the repositories of each.
    logins: BTreeMap<String, Vec<String>>,
}

impl Attempt {
    pub(super) async fn prepare_task(&mut self, seq: u32, call: &Tasks) -> Result<Json, Halt> {
        self.subject.grants.allows(stageway_core::grant::Interface::Tasks)?;
        match call {
            Tasks::Start { name, command } => self.prepare_start(seq, name, command).await,
            Tasks::Wait { task } | Tasks::Cancel { task } => self.running(*task).map(|_| Json::Null),
            Tasks::WaitAny { tasks } => {
                if tasks.is_empty() || tasks.len() > 1024 {
                    return Err(invalid("1 to 1024 tasks are waited for at once"));
                }
                tasks.iter().try_for_each(|task| self.running(*task).map(|_| ()))?;
                Ok(Json::Null)
            }
            Tasks::Collected { .. } => Err(invalid("not a journaled call")),
        }
    }

    fn running(&self, task: u32) -> Result<&Running, Halt> {
        self.tasks
            .get(&task)
            .ok_or_else(|| Halt::Tell(HostError::NotFound(format!("no task was started by call {task}"))))
    }

    async fn prepare_start(&mut self, _seq: u32, name: &str, command: &Command) -> Result<Json, Halt> {
        if !artifacts::is_name(name) {
            return Err(invalid("a task's name has 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        if self.tasks.len() >= self.header.limits.tasks as usize {
            return Err(Halt::Tell(HostError::LimitExceeded("tasks".into())));
        }
        self.check_command(command)?;
        for repositories in login::configurations_of(command).values() {
            self.docker_configuration(repositories).await?;
        }
        let mut images = serde_json::Map::new();
        for reference in self.image_references(command) {
            let digest = self.resolve_image(&reference).await?;
            images.insert(reference, json!(digest));
        }
        Ok(json!({"images": images}))
    }

    pub(super) async fn task(&mut self, seq: u32, call: &Tasks, state: &Json) -> Outcome {
        match call {
            Tasks::Start { command, .. } => self.start(seq, command, state).await,
            Tasks::Wait { task } => self.wait(*task).await,
            Tasks::WaitAny { tasks } => self.wait_any(tasks).await,
            Tasks::Cancel { task } => {
                let name = self.running(*task)?.name.clone();
                let grace = Duration::from_millis(self.engine.rules.grace_ms);
                self.engine.executor.cancel(&name, grace).await.map_err(fault)?;
                Ok(Value::Done)
            }
            Tasks::Collected { .. } => Err(invalid("not a journaled call")),
        }
    }

    async fn start(&mut self, seq: u32, command: &Command, state: &Json) -> Outcome {
        let name = self.task_name(seq);
        let spec = self.spec(command, state).await?;
        let values = self.secret_values(&self.secrets_of(command)).await?;
        match self.engine.executor.ensure(&name, &spec, &values).await {
            Ok(_) => {
                self.followers.start(&self.engine, &self.subject, &name, &self.mask);
                Ok(Value::Done)
            }
            Err(TaskError::Refused(why)) => Err(invalid(why)),
            Err(error) => Err(fault(error)),
        }
    }

    pub(super) fn task_name(&self, seq: u32) -> TaskName {
        TaskName::of(&self.subject.writer.run, &self.subject.stage, self.subject.attempt, seq)
    }

    /// Notes a task whose start was answered.
    pub(super) fn task_started(&mut self, seq: u32, command: &Command) {
        let running = Running {
            name: self.task_name(seq),
            mount: command.workspace.as_ref().map(|mount| mount.path.clone()),
            collect: self.collect_of(command),
            secrets: self.secrets_of(command),
            ended: false,
            collected: BTreeMap::new(),
        };
        self.tasks.insert(seq, running);
    }

    /// Values of secrets, which are also hidden from everything that is written from here on.
    async fn secret_values(&mut self, names: &Confidential) -> Result<SecretValues, Halt> {
        let mut values = SecretValues::default();
        for name in &names.secrets {
            let value = self
                .engine
                .secrets
                .value(&self.subject.writer.tenant, name)
                .await
                .map_err(http::unreadable)?;
            self.mask.add(value.expose());
            values.0.insert(name.clone(), value);
        }
        for (name, repositories) in &names.logins {
            let (configuration, hidden) = self.docker_configuration(repositories).await?;
            hidden.iter().for_each(|value| self.mask.add(value.expose()));
            values.0.insert(name.clone(), configuration);
        }
        Ok(values)
    }

    /// On a resume: what this instance must hide, although the calls that needed it were another's.
    pub(super) async fn know_secrets(&mut self, call: &Function) -> Result<(), Halt> {
        let names = match call {
            Function::Tasks(Tasks::Start { command, .. }) => self.secrets_of(command),
            Function::Http(Http::Send(request)) => Confidential {
                secrets: request.secrets.iter().map(|splice| splice.secret.clone()).collect(),
                ..Confidential::default()
            },
            _ => return Ok(()),
        };
        match self.secret_values(&names).await {
            Ok(_) => Ok(()),
            Err(Halt::Tell(error)) => Err(Halt::Stop(Stop::Fault(error.to_string()))),
            Err(halt) => Err(halt),
        }
    }

    /// Makes sure that the output of a task is on its way into the log.
    async fn follow(&mut self, task: u32) -> Result<(), Halt> {
        let running = self.running(task)?;
        if running.ended || self.followers.has(&running.name) {
            return Ok(());
        }
        let (name, secrets) = (running.name.clone(), running.secrets.clone());
        self.secret_values(&secrets).await?;
        self.followers.start(&self.engine, &self.subject, &name, &self.mask);
        Ok(())
    }

    /// Follows the tasks that a parked attempt waits for, without an instance of its guest.
    pub(crate) async fn follow_parked(&mut self, names: &[TaskName]) {
        let started: Vec<_> = self.ledger.started().map(|(seq, command)| (seq, command.clone())).collect();
        for (seq, command) in started {
            if names.contains(&self.task_name(seq)) {
                self.task_started(seq, &command);
                if self.follow(seq).await.is_err() {
                    tracing::warn!(
                        task.seq = seq,
                        "the output of a task cannot be shown without its secrets"
                    );
                }
            }
        }
    }

    async fn wait(&mut self, task: u32) -> Outcome {
        let running = self.running(task)?;
        let name = running.name.clone();
        if running.ended {
            return Err(Halt::Tell(HostError::Conflict(
                "the ending of this task was answered already".into(),
            )));
        }
        self.follow(task).await?;
        let state = ended(self.engine.executor.clone(), name.clone());
        let state = self.wait_for(state, Wake::Tasks(vec![name]), None).await??;
        self.drain(task).await;
        let mut ending = ending_of(state);
        ending.message = self.mask.text(&ending.message);
        Ok(Value::Ending(ending))
    }

    /// Returns when everything that an ended task wrote is in the log.
    pub(super) async fn drain(&mut self, task: u32) {
        if self.follow(task).await.is_err() {
            tracing::warn!(task.seq = task, "the output of a task cannot be shown without its secrets");
        }
        if let Some(running) = self.tasks.get(&task) {
            self.followers.drained(&running.name).await;
        }
    }

    async fn wait_any(&mut self, tasks: &[u32]) -> Outcome {
        let mut names = Vec::with_capacity(tasks.len());
        for task in tasks {
            self.follow(*task).await?;
            names.push(self.running(*task)?.name.clone());
        }
        let executor = self.engine.executor.clone();
        let waits: Vec<_> =
            names.iter().map(|name| Box::pin(ended(executor.clone(), name.clone()))).collect();
        let first = async move {
            let (state, index, _) = futures::future::select_all(waits).await;
            state.map(|_| index)
        };
        let index = self.wait_for(first, Wake::Tasks(names), None).await??;
        Ok(Value::Count(u32::try_from(index).unwrap_or(0)))
    }

    /// Takes over what an ended task collected: its files lie in the plugin's workspace from here on.
    pub(super) async fn task_ended(&mut self, task: u32, ending: &Ending) -> Result<(), Halt> {
        let collected: BTreeMap<String, Collected> =
            serde_json::from_value(ending.details["artifacts"].clone()).unwrap_or_default();
        let Some(running) = self.tasks.get_mut(&task) else { return Ok(()) };
        running.ended = true;
        running.collected = collected.clone();
        let (mount, collect) = (running.mount.clone(), running.collect.clone());
        for (name, what) in collected {
            self.known.insert(what.digest(), artifacts::Known::given(what));
            if let (Some(mount), Some(path)) = (&mount, collect.get(&name)) {
                self.merge(mount, path, what).await?;
            }
        }
        Ok(())
    }

    async fn merge(&mut self, mount: &str, path: &str, what: Collected) -> Result<(), Halt> {
        let Some(inside) = path.strip_prefix(mount) else { return Ok(()) };
        let at = WorkspacePath::new(inside.trim_matches('/')).ok();
        match (what, at) {
            (Collected::File { content, executable }, Some(at)) => {
                self.view.put(at, Node::File { content, executable }).map_err(workspace::over)
            }
            (Collected::File { .. }, None) => Ok(()),
            (Collected::Tree { digest, .. }, at) => {
                let tree = read_tree(&*self.engine.blobs, &digest).await?;
                match at {
                    Some(at) => self.view.put_tree(&at, &tree).map_err(workspace::over),
                    None => tree.iter().try_for_each(|(path, node)| {
                        self.view.put(path.clone(), node.clone()).map_err(workspace::over)
                    }),
                }
            }
        }
    }

    pub(super) fn collected(&self, task: u32, name: &str) -> Outcome {
        let running = self.running(task)?;
        if !running.ended {
            return Err(invalid("the ending of this task was not answered yet"));
        }
        Ok(Value::MaybeText(running.collected.get(name).map(|what| what.digest().to_string())))
    }

    /// The stage's own artifacts, from the last task that collected each.
    pub(super) fn stage_artifact(&self, name: &str) -> Option<Collected> {
        let key = spec::artifact_key(name);
        self.tasks.values().rev().find_map(|running| running.collected.get(&key).copied())
    }
}

/// Resolves when a task has ended or is lost.
async fn ended(executor: Arc<dyn Executor>, name: TaskName) -> Result<TaskState, Halt> {
    loop {
        match executor.state(&name, None, Duration::from_secs(60)).await {
            Ok(TaskState::Queued | TaskState::Running) => {}
            Ok(state) => return Ok(state),
            Err(TaskError::Unknown(_)) => return Ok(TaskState::Lost),
            Err(error) => return Err(fault(error)),
        }
    }
}

/// What the plugin is told of an end.
fn ending_of(state: TaskState) -> Ending {
    let TaskState::Ended(ending) = state else {
        return Ending {
            code: None,
            reason: EndingReason::Lost,
            message: "the executor lost the task; whether it ran to its end is not known".into(),
            duration_ms: 0,
            details: json!({}),
        };
    };
    let duration_ms = u32::try_from(ending.times.ran_ms).unwrap_or(u32::MAX);
    let details = details_of(&ending);
    Ending { code: ending.code, reason: ending.reason, message: ending.message, duration_ms, details }
}

fn details_of(ending: &TaskEnding) -> Json {
    let digests: BTreeMap<_, _> =
        ending.collected.iter().filter(|(name, _)| artifacts::is_name(name)).collect();
    let digests: BTreeMap<_, _> = digests.into_iter().map(|(name, what)| (name, what.digest())).collect();
    json!({
        "queued-ms": ending.times.queued_ms,
        "scheduled-ms": ending.times.scheduled_ms,
        "pulled-ms": ending.times.pulled_ms,
        "started-ms": ending.times.started_ms,
        "prepared-ms": ending.times.prepared_ms,
        "services-ms": ending.times.services_ms,
        "ran-ms": ending.times.ran_ms,
        "collected-ms": ending.times.collected_ms,
        "cpu-ms": ending.cpu_ms,
        "peak-memory-bytes": ending.peak_memory_bytes,
        "output-bytes": ending.output_bytes,
        "limits-by": ending.limits_by,
        "collected": digests,
        "missing": ending.missing,
        "artifacts": ending.collected,
    })
}

/// The executor does not answer: a fault of ours, never an answer.
fn fault(error: TaskError) -> Halt {
    Halt::Stop(Stop::Fault(error.to_string()))
}
