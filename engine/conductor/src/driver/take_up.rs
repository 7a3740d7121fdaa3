//! Taking a stage up: its configuration, its tree, a proof that it is unchanged, its lock, its approval.

use super::expressions::resolve;
use super::gate::Gate;
use super::{DriveError, Driver, Ready};
use crate::attempt::{Subject, failure, seed_of};
use crate::planner::skip;
use stageway_core::call::Failure;
use stageway_core::name::StageName;
use stageway_core::run::{AttemptEnding, RunEvent, SkipReason, StageStatus, Usage};
use stageway_core::task::Collected;
use stageway_core::workspace::{Node, Tree, WorkspacePath, globs};
use stageway_ports::{Claim, ClaimAnswer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of a tree's canonical list.
const TREE_BYTES: u64 = 256 << 20;

impl Driver {
    /// Attempts that were in memory or parked when an engine died go on from their journals.
    pub(super) async fn resume(&mut self) -> Result<(), DriveError> {
        let under_way = self.run.state.stages.iter().filter_map(|(name, stage)| match stage.status {
            StageStatus::Running | StageStatus::Parked(_) => Some((name.clone(), stage.clone())),
            _ => None,
        });
        for (name, stage) in under_way.collect::<Vec<_>>() {
            let subject = match self.subject(&name, stage.attempts).await? {
                Ok(subject) => subject,
                Err(failure) => {
                    self.errored(&name, stage.attempts, failure);
                    continue;
                }
            };
            if matches!(stage.status, StageStatus::Running) {
                let records = self
                    .engine
                    .store
                    .journal(&self.writer.tenant, &self.writer.run, &name, stage.attempts)
                    .await?;
                let entries = records.iter().map(stageway_core::journal::Record::seq).max().unwrap_or(0);
                let at = self.engine.clock.now_ms();
                let resumed = RunEvent::AttemptResumed {
                    at,
                    stage: name.clone(),
                    attempt: stage.attempts,
                    counts: true,
                    entries,
                };
                self.append(resumed);
                let fruitless = self.run.state.stages[&name].fruitless_resumes;
                if fruitless > self.engine.rules.resume_cap {
                    let message = format!("{fruitless} resumes in a row came to no new entry of the journal");
                    self.errored(&name, stage.attempts, failure("resume-cap", message));
                    continue;
                }
            }
            let key = self.skip_key(&subject).await;
            self.ready.push(Ready { subject, key, resumed: true });
        }
        Ok(())
    }

    /// Answers whether anything was appended.
    pub(super) async fn take_up(&mut self, name: &StageName, attempt: u32) -> Result<bool, DriveError> {
        let mut subject = match self.subject(name, attempt).await? {
            Ok(subject) => subject,
            Err(failure) => {
                self.errored(name, attempt, failure);
                return Ok(true);
            }
        };
        let key = self.skip_key(&subject).await;
        let at = self.engine.clock.now_ms();
        if let (Some(key), 1) = (&key, attempt)
            && let Some(proof) = skip::find(&self.engine, &subject, key).await
        {
            let reason = SkipReason::Unchanged(Box::new(proof));
            self.append(RunEvent::StageSkipped { at, stage: name.clone(), reason });
            return Ok(true);
        }
        if let Some(held) = self.lock(name).await? {
            return Ok(self.hold(name, held));
        }
        match self.gate(&subject, attempt).await? {
            Gate::Open(signed) => {
                if let Some(signed) = signed {
                    Arc::make_mut(&mut subject).signed = Some(Arc::new(signed));
                }
            }
            Gate::Waits(why) => return Ok(self.hold(name, Held::Waits(why))),
            Gate::Closed(failure) => {
                self.ended(name, attempt, AttemptEnding::Failed(failure));
                return Ok(true);
            }
        }
        self.append(RunEvent::AttemptStarted { at, stage: name.clone(), attempt });
        self.active.insert(name.clone(), None);
        self.ready.push(Ready { subject, key, resumed: false });
        Ok(true)
    }

    async fn skip_key(&self, subject: &Subject) -> Option<skip::SkipKey> {
        if self.engine.rules.skip { skip::key(&self.engine, subject).await } else { None }
    }

    fn errored(&mut self, stage: &StageName, attempt: u32, failure: Failure) {
        self.ended(stage, attempt, AttemptEnding::Errored(failure));
    }

    fn ended(&mut self, stage: &StageName, attempt: u32, ending: AttemptEnding) {
        let at = self.engine.clock.now_ms();
        self.append(RunEvent::AttemptEnded {
            at,
            stage: stage.clone(),
            attempt,
            ending,
            usage: Usage::default(),
        });
    }

    /// Says once what a stage waits for before it starts.
    fn hold(&mut self, name: &StageName, held: Held) -> bool {
        let at = self.engine.clock.now_ms();
        match held {
            Held::Outdated(run) => {
                let reason = SkipReason::Outdated(run);
                self.append(RunEvent::StageSkipped { at, stage: name.clone(), reason });
                true
            }
            Held::Waits(why) => {
                if matches!(&self.run.state.stages[name].status, StageStatus::Held(said) if *said == why) {
                    return false;
                }
                self.append(RunEvent::StageWaiting { at, stage: name.clone(), why });
                false
            }
        }
    }

    /// The lock of the stage's environment; none when it is held, or none is needed.
    async fn lock(&mut self, name: &StageName) -> Result<Option<Held>, DriveError> {
        let Some(environment) = self.run.plan.stages[name].environment.clone() else { return Ok(None) };
        let event = &self.run.plan.event;
        let claim = Claim {
            environment: environment.clone(),
            run: self.writer.run.clone(),
            stage: name.clone(),
            group: format!("{} {}", self.run.plan.pipeline, event.reference),
            order: self.run.number,
        };
        Ok(match self.engine.store.claim(&self.writer, &claim).await? {
            ClaimAnswer::Held(_) => None,
            ClaimAnswer::Busy(run) => {
                Some(Held::Waits(format!("for the lock of `{environment}`, which run {run} holds")))
            }
            ClaimAnswer::Outdated(run) => Some(Held::Outdated(run)),
        })
    }

    /// Everything that is known of an attempt before its guest runs.
    pub(super) async fn subject(
        &self,
        name: &StageName,
        attempt: u32,
    ) -> Result<Result<Arc<Subject>, Failure>, DriveError> {
        let resolved = match resolve(&self.run.plan, name, &self.run.state) {
            Ok(resolved) => resolved,
            Err(failure) => return Ok(Err(failure)),
        };
        let (tree, artifacts) = match self.start_tree(name).await {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        let planned = &self.run.plan.stages[name];
        let upstream = planned.needs.iter().filter_map(|need| {
            let outputs = self.run.state.stages.get(need)?.ended()?.outputs()?;
            Some((need.clone(), outputs.clone()))
        });
        let mut subject = Subject {
            writer: self.writer.clone(),
            stage: name.clone(),
            attempt,
            plan: self.run.plan.clone(),
            configuration: resolved.configuration,
            env: resolved.env,
            services: resolved.services,
            grants: resolved.grants,
            upstream: upstream.collect(),
            tree_digest: tree.digest(),
            tree: Arc::new(tree),
            artifacts,
            seed: [0; 32],
            signed: None,
        };
        subject.seed = seed_of(&subject.key());
        Ok(Ok(Arc::new(subject)))
    }

    /// The revision's tree, narrowed to `inputs`, with the artifacts named under `from`.
    async fn start_tree(
        &self,
        name: &StageName,
    ) -> Result<(Tree, BTreeMap<stageway_core::digest::Digest, Collected>), Failure> {
        let planned = &self.run.plan.stages[name];
        let fault = |message: String| failure("workspace", message);
        let mut tree = match &self.run.state.tree {
            None => Tree::default(),
            Some(digest) => self.tree(digest).await?,
        };
        if let Some(inputs) = &planned.inputs {
            tree = tree.narrowed(&globs(inputs).map_err(|e| fault(e.to_string()))?);
        }
        let mut artifacts = BTreeMap::new();
        for (path, artifact) in &planned.from {
            let ended = self.run.state.stages.get(&artifact.stage).and_then(|stage| stage.ended());
            let what = ended.and_then(|ended| ended.artifacts()?.get(&artifact.name).copied());
            let what = what.ok_or_else(|| {
                fault(format!("stage `{}` has no artifact `{}`", artifact.stage, artifact.name))
            })?;
            let path = WorkspacePath::new(path.as_str()).map_err(|e| fault(e.to_string()))?;
            artifacts.insert(what.digest(), what);
            match what {
                Collected::File { content, executable } => {
                    tree.insert(path, Node::File { content, executable })
                }
                Collected::Tree { digest, .. } => {
                    for (inner, node) in self.tree(&digest).await?.iter() {
                        tree.insert(inner.below(&path), node.clone());
                    }
                }
            }
        }
        Ok((tree, artifacts))
    }

    async fn tree(&self, digest: &stageway_core::digest::Digest) -> Result<Tree, Failure> {
        let bytes = self
            .engine
            .blobs
            .get(digest, TREE_BYTES)
            .await
            .map_err(|e| failure("workspace", e.to_string()))?;
        Tree::decode(&bytes).map_err(|e| failure("workspace", e.to_string()))
    }
}

/// Why a stage does not start now.
enum Held {
    Waits(String),
    Outdated(stageway_core::name::RunId),
}
