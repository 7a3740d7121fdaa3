use super::{Attempt, Halt, Outcome, invalid};
use serde_json::{Value as Json, json};
use stageway_core::call::{Environments, HostError, Judgement, Value};
use stageway_core::name::EnvironmentName;
use stageway_ports::{Release, StoreError};

impl Attempt {
    pub(super) fn prepare_environment(&self, call: &Environments) -> Result<Json, Halt> {
        let name = self.environment_of(call)?;
        self.subject.grants.allows_environment(name)?;
        EnvironmentName::new(name).map_err(|e| invalid(e.to_string()))?;
        let holds = self.subject.planned().environment.as_ref().is_some_and(|held| held.as_str() == name);
        if !holds && !matches!(call, Environments::Releases { .. }) {
            let told =
                format!("the stage does not hold the lock of `{name}`; it would need `environment: {name}`");
            return Err(Halt::Tell(HostError::Denied(told)));
        }
        if let Environments::Judge { verdict: Judgement::Invalid(word), .. } = call {
            return Err(invalid(format!("`{word}` is no verdict: good, bad or unknown is expected")));
        }
        Ok(Json::Null)
    }

    /// The environment of a call: the one that it names, or for an empty name the stage's own.
    fn environment_of<'a>(&'a self, call: &'a Environments) -> Result<&'a str, Halt> {
        match (call.environment(), &self.subject.planned().environment) {
            ("", Some(own)) => Ok(own.as_str()),
            ("", None) => Err(invalid("the stage has no environment; it would need `environment: NAME`")),
            (name, _) => Ok(name),
        }
    }

    pub(super) async fn environment(&self, seq: u32, call: &Environments) -> Outcome {
        let name = EnvironmentName::new(self.environment_of(call)?).map_err(|e| invalid(e.to_string()))?;
        let writer = &self.subject.writer;
        let store = &self.engine.store;
        match call {
            Environments::Releases { max, .. } => {
                let releases = store.releases(&writer.tenant, &name, (*max).min(1000)).await?;
                let shown = releases.into_iter().map(|release| {
                    json!({"id": release.id, "run": release.run, "at": release.at, "what": release.what,
                           "verdict": release.verdict, "reason": release.reason})
                });
                Ok(Value::Jsons(shown.collect()))
            }
            Environments::Release { what, .. } => {
                let id = self.subject.call_key(seq);
                let release = Release {
                    id: id.clone(),
                    run: writer.run.clone(),
                    at: self.now(),
                    what: what.clone(),
                    verdict: "unknown".into(),
                    reason: String::new(),
                };
                store.release(writer, &name, release).await.map_err(told)?;
                Ok(Value::Text(id))
            }
            Environments::Judge { release, verdict, reason, .. } => {
                let word = match verdict {
                    Judgement::Good => "good",
                    Judgement::Bad => "bad",
                    Judgement::Unknown | Judgement::Invalid(_) => "unknown",
                };
                store.judge(writer, &name, release, word, reason).await.map_err(told)?;
                Ok(Value::Done)
            }
        }
    }
}

/// What the plugin can do something about is told; the rest is a fault of ours.
fn told(error: StoreError) -> Halt {
    match error {
        StoreError::NotFound(what) => Halt::Tell(HostError::NotFound(what)),
        StoreError::Conflict(what) => Halt::Tell(HostError::Conflict(what)),
        other => other.into(),
    }
}
