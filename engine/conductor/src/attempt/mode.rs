use super::{Attempt, Halt, Outcome, stop};
use serde_json::{Value as Json, json};
use stageway_core::call::{
    Answer, Artifacts, Call, Class, Cluster, Environments, Function, HostError, Http, Images,
    Outcome as Moved, Reply, Stop, Tasks, Value,
};
use stageway_core::digest::Digest;
use std::collections::BTreeMap;

/// What happens to a call that the journal does not hold.
pub enum Mode {
    /// It is performed.
    Live,
    /// The replay ends there.
    Replay,
    /// Reads are real; effects are recorded and answered as far as their answers follow from their requests.
    Plan(Box<PlanState>),
}

/// What a plan has recorded so far.
#[derive(Default)]
pub struct PlanState {
    pub(super) calls: Vec<Planned>,
    /// Tags as the plan leaves them: (repository, tag) to digest.
    tags: BTreeMap<(String, String), Digest>,
    /// Manifests that the plan brings: (repository, digest).
    brought: BTreeMap<(String, Digest), Option<String>>,
    /// What an approval would sign of the call that ended the plan.
    pub(super) ended_at: Option<Digest>,
}

/// An effect that a plan recorded instead of performing it.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The call.
    pub call: Function,
    /// The answer the plugin got; none where the plan ended.
    pub answer: Option<Answer>,
}

impl Planned {
    /// What an approval signs of it.
    pub fn signature(&self) -> Digest {
        signature(&self.call)
    }
}

/// Digest of (interface, function, canonical request).
pub(super) fn signature(call: &Function) -> Digest {
    let (interface, function) = call.name();
    Digest::of_json(&(interface, function, call.request()))
}

impl Mode {
    /// A plan with nothing recorded.
    pub fn plan() -> Self {
        Self::Plan(Box::default())
    }
}

impl Attempt {
    /// Answers a call of a plan, or ends the plan there.
    pub(super) async fn plan_call(&mut self, call: Call, state: &Json) -> Reply {
        let outcome = match call.function.class() {
            Class::Read => self.planned_read(&call, state).await,
            Class::Wait => self.planned_wait(&call),
            _ => self.planned_effect(&call, state).await,
        };
        let effect = matches!(call.function.class(), Class::Keyed | Class::Unkeyed);
        let answer = match outcome {
            Ok(value) => Ok(value),
            Err(Halt::Tell(error)) => Err(error),
            Err(halt) => {
                if let Mode::Plan(plan) = &mut self.mode {
                    plan.ended_at =
                        matches!(halt, Halt::Stop(Stop::PlanEnd)).then(|| signature(&call.function));
                    if effect {
                        plan.calls.push(Planned { call: call.function, answer: None });
                    }
                }
                return stop(halt);
            }
        };
        if let (true, Mode::Plan(plan)) = (effect, &mut self.mode) {
            plan.calls.push(Planned { call: call.function.clone(), answer: Some(answer.clone()) });
        }
        self.record(call, answer).await
    }

    /// A read sees the outside as the plan leaves it.
    async fn planned_read(&mut self, call: &Call, state: &Json) -> Outcome {
        if let (Function::Images(Images::Find { repository, reference }), Mode::Plan(plan)) =
            (&call.function, &self.mode)
        {
            let tagged = plan.tags.get(&(repository.clone(), reference.clone())).copied();
            let digest = tagged.or_else(|| reference.parse::<Digest>().ok());
            if let Some(digest) = digest
                && let Some(media_type) = plan.brought.get(&(repository.clone(), digest))
            {
                let media_type = media_type.clone().unwrap_or_default();
                let details = json!({"planned": true});
                return Ok(Value::MaybeImage(Some(stageway_core::call::Image {
                    digest,
                    media_type,
                    details,
                })));
            }
        }
        self.perform(call, state, false).await
    }

    fn planned_wait(&mut self, call: &Call) -> Outcome {
        match &call.function {
            // Time is logical: a pause alone depends on no effect.
            Function::Clock(_) => Ok(Value::Done),
            _ => Err(Halt::Stop(Stop::PlanEnd)),
        }
    }

    async fn planned_effect(&mut self, call: &Call, state: &Json) -> Outcome {
        match &call.function {
            Function::Tasks(Tasks::Start { .. } | Tasks::Cancel { .. }) => Ok(Value::Done),
            Function::Images(images) => self.planned_image(images, state),
            Function::Environments(Environments::Release { .. }) => {
                Ok(Value::Text(self.subject.call_key(call.seq)))
            }
            Function::Environments(_) => Ok(Value::Done),
            // Content follows from the workspace, and storing it twice is storing it once.
            Function::Artifacts(Artifacts::Save { .. } | Artifacts::Put { .. }) => {
                self.perform(call, state, false).await
            }
            Function::Cluster(cluster @ Cluster::Apply { .. }) => self.planned_apply(cluster).await,
            Function::Cluster(Cluster::Delete { .. }) => Ok(Value::Done),
            Function::Http(Http::Send(_)) => Err(Halt::Stop(Stop::PlanEnd)),
            _ => Err(Halt::Stop(Stop::PlanEnd)),
        }
    }

    fn planned_image(&mut self, call: &Images, state: &Json) -> Outcome {
        let Mode::Plan(plan) = &mut self.mode else { return Err(Halt::Stop(Stop::PlanEnd)) };
        match call {
            Images::Push { repository, manifest, media_type } => {
                let digest = Images::pushed_digest(manifest);
                plan.brought.insert((repository.clone(), digest), Some(media_type.clone()));
                Ok(Value::Text(digest.to_string()))
            }
            Images::Copy { digest, target, .. } => {
                let digest = parse(digest)?;
                let there = state["present"].as_bool().unwrap_or(false);
                let media_type = state["media-type"].as_str().map(str::to_owned);
                let known = plan.brought.insert((target.clone(), digest), media_type).is_some();
                Ok(Value::Outcome(if there || known { Moved::Already } else { Moved::Created }))
            }
            Images::Tag { repository, digest, tag, replaces } => {
                let digest = parse(digest)?;
                let key = (repository.clone(), tag.clone());
                let found = state["found"].as_str().and_then(|text| text.parse().ok());
                let found = plan.tags.get(&key).copied().or(found);
                let outcome =
                    super::images::tag_outcome(repository, tag, digest, found, replaces.as_deref())?;
                plan.tags.insert(key, digest);
                plan.brought.entry((repository.clone(), digest)).or_insert(None);
                Ok(Value::Outcome(outcome))
            }
            _ => Err(Halt::Stop(Stop::PlanEnd)),
        }
    }
}

fn parse(digest: &str) -> Result<Digest, Halt> {
    digest.parse().map_err(|e: stageway_core::digest::DigestError| {
        Halt::Tell(HostError::InvalidArgument(e.to_string()))
    })
}
