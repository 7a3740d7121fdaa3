//! The end of an attempt: what became of it, and what becomes durable with it.

use super::{Attempt, diagnosed, failure};
use crate::driver::lease_until;
use serde_json::{Map, Value as Json};
use stageway_core::call::{Command, Failure, Stop};
use stageway_core::journal::{End, Outcome, Record};
use stageway_core::name::TaskName;
use stageway_core::run::{AttemptEnding, Usage};
use stageway_core::task::{Collected, TaskState};
use stageway_core::workspace::{Node, WorkspacePath};
use stageway_ports::{Batch, GuestEnd, StoreError, TaskError};
use std::collections::BTreeMap;
use std::time::Duration;

/// One output: its name, and its value as canonical JSON.
const OUTPUT_BYTES: usize = 64 << 10;
/// The code of outputs that the plugin should not have answered with.
const OUTPUTS_INVALID: &str = "outputs-invalid";

/// An attempt that is over, before it is durable.
pub struct Closing {
    /// The rest of the journal with its end, and the last lines.
    pub batch: Batch,
    /// How it ended.
    pub ending: AttemptEnding,
    /// What it used.
    pub usage: Usage,
    /// Its tasks: to be forgotten once the end is durable.
    pub tasks: Vec<TaskName>,
}

impl Attempt {
    /// Ends everything that the attempt started and closes its journal.
    ///
    /// Only for an end of the guest, and for stops that end the attempt (a limit, a divergence, a cancel): a fault or a parked
    /// attempt is not over.
    pub async fn close(mut self, end: GuestEnd, usage: Usage) -> Closing {
        self.end_tasks().await;
        let ending = self.ending(&end).await;
        let ending = self.without_secrets(ending);
        let outcome = outcome(&end, &ending, |text| self.mask.text(text));
        let at = self.now();
        let seq = self.ledger.last() + 1;
        let facts = self.ledger.facts();
        self.ledger.end(Record::End(Box::new(End { seq, at, outcome, facts })));
        let tasks = self.ledger.started().map(|(seq, _)| self.task_name(seq)).collect();
        let batch = self.ledger.take(&self.subject.stage, self.subject.attempt);
        Closing { batch, ending, usage, tasks }
    }

    /// Tasks end with their attempt: those that the guest knows, and those of which only the journal knows because the guest
    /// did not get that far again. What they wrote is kept.
    async fn end_tasks(&mut self) {
        let known = |seq: &u32| self.tasks.contains_key(seq);
        let unknown: Vec<_> = self.ledger.started().filter(|(seq, _)| !known(seq)).map(owned).collect();
        for (seq, command) in unknown {
            self.task_started(seq, &command);
        }
        let over: Vec<_> = self.tasks.iter().filter(|(_, task)| !task.ended).map(|(seq, _)| *seq).collect();
        if over.is_empty() || !self.is_ours().await {
            return;
        }
        let grace = Duration::from_millis(self.engine.rules.grace_ms);
        for seq in &over {
            let name = self.task_name(*seq);
            match self.engine.executor.cancel(&name, grace).await {
                Ok(()) | Err(TaskError::Unknown(_)) => {}
                Err(error) => {
                    tracing::warn!(task.name = %name, %error, "a task of an ended attempt could not be cancelled");
                }
            }
        }
        for seq in over {
            let name = self.task_name(seq);
            let gone = self.engine.executor.state(&name, None, grace + Duration::from_secs(10)).await;
            match gone {
                Ok(TaskState::Queued | TaskState::Running) => {
                    tracing::warn!(task.name = %name, "a task outlives its attempt")
                }
                Ok(_) => self.drain(seq).await,
                Err(_) => {}
            }
        }
    }

    /// Whether the run is still ours: what another engine's attempt has started is not for us to end.
    async fn is_ours(&self) -> bool {
        let until = lease_until(&self.engine);
        !matches!(self.engine.store.renew(&self.subject.writer, until).await, Err(StoreError::Fenced { .. }))
    }

    async fn ending(&mut self, end: &GuestEnd) -> AttemptEnding {
        let cancelled = self.is_cancelled();
        match end {
            GuestEnd::Succeeded(outputs) => match self.succeeded(outputs).await {
                Ok((outputs, artifacts)) => AttemptEnding::Succeeded { outputs, artifacts },
                Err(ending) => ending,
            },
            _ if cancelled => AttemptEnding::Cancelled,
            GuestEnd::Failed(failure) => AttemptEnding::Failed(failure.clone()),
            GuestEnd::Errored(failure) => AttemptEnding::Errored(failure.clone()),
            GuestEnd::Trap(message) => {
                AttemptEnding::Errored(failure("trap", format!("the plugin broke off: {message}")))
            }
            GuestEnd::Limit(limit) => AttemptEnding::Errored(failure(
                "limit-exceeded",
                format!("the attempt used up a limit: {limit}"),
            )),
            GuestEnd::Stopped(stop) => stopped(stop),
        }
    }

    /// What a plugin read in files that its tasks wrote may hold what they know.
    fn without_secrets(&self, ending: AttemptEnding) -> AttemptEnding {
        match ending {
            AttemptEnding::Succeeded { outputs, artifacts } => {
                let outputs = outputs.iter().map(|(name, value)| (name.clone(), self.mask.json(value)));
                AttemptEnding::Succeeded { outputs: outputs.collect(), artifacts }
            }
            AttemptEnding::Failed(failure) => AttemptEnding::Failed(self.mask.failure(&failure)),
            AttemptEnding::Errored(failure) => AttemptEnding::Errored(self.mask.failure(&failure)),
            AttemptEnding::Cancelled => AttemptEnding::Cancelled,
        }
    }

    async fn succeeded(
        &mut self,
        outputs: &Json,
    ) -> Result<(Map<String, Json>, BTreeMap<String, Collected>), AttemptEnding> {
        let outputs = self.outputs(outputs).map_err(AttemptEnding::Errored)?;
        let planned = self.subject.planned().artifacts.clone();
        let mut artifacts = BTreeMap::new();
        for (name, path) in &planned {
            match self.artifact_at(name, path).await {
                Some(what) => {
                    artifacts.insert(name.clone(), what);
                }
                None => {
                    let message =
                        format!("the stage promises the artifact `{name}`, but nothing is at `{path}`");
                    return Err(AttemptEnding::Failed(failure("artifact-missing", message)));
                }
            }
        }
        Ok((outputs.clone(), artifacts))
    }

    /// The outputs, if they are as many and as large as they may be, and what the plugin declares.
    fn outputs<'o>(&self, given: &'o Json) -> Result<&'o Map<String, Json>, Failure> {
        let wrong = |message: String| failure(OUTPUTS_INVALID, message);
        let Json::Object(outputs) = given else {
            return Err(wrong("the plugin's outputs are no JSON object".into()));
        };
        let most = self.header.limits.outputs;
        if outputs.len() > most as usize {
            return Err(wrong(format!("the plugin has {} outputs; {most} are allowed", outputs.len())));
        }
        let large = |(name, value): &(&String, &Json)| name.len() + value.to_string().len() > OUTPUT_BYTES;
        if let Some((name, _)) = outputs.iter().find(large) {
            return Err(wrong(format!("the output `{name:.80}` has more than {OUTPUT_BYTES} bytes")));
        }
        let planned = self.subject.planned();
        planned.check_outputs(given).map_err(|problems| diagnosed(OUTPUTS_INVALID, &problems))?;
        Ok(outputs)
    }

    /// What a task collected for the stage, else what the plugin itself left at the path.
    async fn artifact_at(&self, name: &str, path: &str) -> Option<Collected> {
        if let Some(what) = self.stage_artifact(name) {
            return Some(what);
        }
        let path = WorkspacePath::new(path).ok()?;
        if let Some(Node::File { content, executable }) = self.view.tree().get(&path) {
            return Some(Collected::File { content: *content, executable: *executable });
        }
        let tree = self.view.tree().subtree(&path);
        if tree.is_empty() {
            return None;
        }
        let content = self.engine.blobs.put(tree.encode()).await.ok()?;
        Some(Collected::Tree { digest: content.digest, size: tree.size() })
    }
}

fn owned((seq, command): (u32, &Command)) -> (u32, Command) {
    (seq, command.clone())
}

fn stopped(stop: &Stop) -> AttemptEnding {
    match stop {
        Stop::Cancelled => AttemptEnding::Cancelled,
        Stop::Limit(limit) => {
            AttemptEnding::Errored(failure("limit-exceeded", format!("the attempt used up a limit: {limit}")))
        }
        Stop::Diverged(divergence) => {
            let recorded = divergence.recorded.as_deref().unwrap_or("the end of the attempt");
            let message = format!(
                "on resume the plugin made another call at entry {}: the journal has {recorded}, now it made {}",
                divergence.seq, divergence.made
            );
            AttemptEnding::Errored(failure("diverged", message))
        }
        Stop::Fault(fault) => AttemptEnding::Errored(failure("engine-fault", fault.clone())),
        Stop::Parked | Stop::PlanEnd => {
            AttemptEnding::Errored(failure("engine-fault", "an attempt that is not over was closed"))
        }
    }
}

fn outcome(end: &GuestEnd, ending: &AttemptEnding, masked: impl Fn(&str) -> String) -> Outcome {
    match (ending, end) {
        (AttemptEnding::Succeeded { outputs, .. }, _) => Outcome::Ok(Json::Object(outputs.clone())),
        (AttemptEnding::Cancelled, _) => Outcome::Cancelled,
        (_, GuestEnd::Trap(message)) => Outcome::Trap(masked(message)),
        (_, GuestEnd::Limit(limit) | GuestEnd::Stopped(Stop::Limit(limit))) => Outcome::Limit(limit.clone()),
        (AttemptEnding::Failed(failure), _) => Outcome::Failed(failure.clone()),
        (AttemptEnding::Errored(failure), _) => Outcome::Errored(failure.clone()),
    }
}
