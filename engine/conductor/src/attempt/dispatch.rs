use super::{Attempt, Halt, Outcome, invalid};
use serde_json::{Value as Json, json};
use stageway_core::call::{Answer, Artifacts, Call, Clock, Function, HostError, Invocation, Tasks, Value};

impl Attempt {
    /// Answers a fact from the plan.
    pub(super) fn fact(&mut self, function: &Function) -> Answer {
        match function {
            Function::Invocation(call) => self.invocation_fact(call),
            Function::Secrets(stageway_core::call::Secrets::Get { name }) => {
                let allowed = self.subject.grants.allows_secret(name);
                allowed.map(|()| Value::Done).map_err(|denied| HostError::Denied(denied.to_string()))
            }
            _ => Err(HostError::InvalidArgument("not a fact".into())),
        }
    }

    /// Does a local call: total, and the same on every replay.
    pub(super) async fn local(&mut self, call: &Call) -> Outcome {
        match &call.function {
            Function::Log(log) => self.write_line(call.seq, log),
            Function::Invocation(Invocation::Random { count }) => self.random(*count),
            Function::Clock(Clock::NowMs) => Ok(Value::Number(self.at as f64)),
            Function::Reports(report) => self.report(call.seq, report).await,
            Function::Handles(read) => self.read_content(read).await,
            Function::Workspace(workspace) => self.workspace(workspace).await,
            Function::Tasks(Tasks::Collected { task, name }) => self.collected(*task, name),
            Function::Artifacts(Artifacts::Restore { digest, path }) => self.restore(digest, path).await,
            Function::Artifacts(Artifacts::Read { digest }) => self.artifact(digest),
            _ => Err(invalid("not a local call")),
        }
    }

    /// Checks grants and shape, and finds the state before: what stands in the intent.
    pub(super) async fn prepare(&mut self, call: &Call) -> Result<Json, Halt> {
        self.check_signed(&call.function)?;
        match &call.function {
            Function::Invocation(_) => Ok(Json::Null),
            Function::Clock(Clock::Sleep { milliseconds }) => {
                Ok(json!({"deadline": self.now().saturating_add(u64::from(*milliseconds))}))
            }
            Function::Http(http) => self.prepare_http(http),
            Function::Tasks(tasks) => self.prepare_task(call.seq, tasks).await,
            Function::Images(images) => self.prepare_image(images).await,
            Function::Cluster(cluster) => self.prepare_cluster(cluster),
            Function::Environments(environments) => self.prepare_environment(environments),
            Function::Approvals(approvals) => self.prepare_approval(approvals),
            Function::Source(_) => {
                self.subject.grants.allows_source()?;
                Ok(Json::Null)
            }
            Function::Artifacts(artifacts) => self.prepare_artifact(artifacts),
            _ => Err(invalid("not a journaled call")),
        }
    }

    /// Performs a call; `doubt` says that it may have been performed before, from the same state.
    pub(super) async fn perform(&mut self, call: &Call, state: &Json, doubt: bool) -> Outcome {
        match &call.function {
            Function::Invocation(_) => Ok(Value::Flag(self.is_cancelled())),
            Function::Clock(_) => self.sleep(state).await,
            Function::Http(http) => self.send(call.seq, http).await,
            Function::Tasks(tasks) => self.task(call.seq, tasks, state).await,
            Function::Images(images) => self.image(images, state, doubt).await,
            Function::Cluster(cluster) => self.cluster(cluster, state).await,
            Function::Environments(environments) => self.environment(call.seq, environments).await,
            Function::Approvals(approvals) => self.ask(call.seq, approvals, state).await,
            Function::Source(source) => self.source(source).await,
            Function::Artifacts(artifacts) => self.save_artifact(artifacts).await,
            _ => Err(invalid("not a journaled call")),
        }
    }

    /// Takes over what an answer changes in the attempt, live and on replay alike.
    pub(super) async fn absorb(&mut self, call: &Call, answer: &Answer) -> Result<(), Halt> {
        match (&call.function, answer) {
            (Function::Tasks(Tasks::Start { command, .. }), Ok(_)) => {
                self.task_started(call.seq, command);
                Ok(())
            }
            (Function::Tasks(Tasks::Wait { task }), Ok(Value::Ending(ending))) => {
                self.task_ended(*task, ending).await
            }
            (Function::Artifacts(artifacts), Ok(value)) => self.artifact_saved(artifacts, value),
            (_, Err(HostError::Cancelled)) => {
                self.cancel_told = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
