//! Taking a stage up: its configuration, its tree, a proof that it is unchanged, its lock, its approval.

use super::attempts::Past;
use super::gate::Gate;
use super::subject::subject;
use super::{DriveError, Driver, Laid, Ready};
use crate::attempt::Subject;
use crate::planner::skip;
use stageway_core::call::Failure;
use stageway_core::journal::Record;
use stageway_core::name::StageName;
use stageway_core::run::{AttemptEnding, RunEvent, SkipReason, StageStatus, Usage};
use stageway_ports::{Claim, ClaimAnswer, Writer};
use std::sync::Arc;

impl Driver {
    /// Attempts that were in memory or parked when an engine died go on from their journals.
    pub(super) async fn resume(&mut self) -> Result<(), DriveError> {
        let under_way = self.run.state.stages.iter().filter_map(|(name, stage)| match stage.status {
            StageStatus::Running | StageStatus::Parked(_) => Some((name.clone(), stage.clone())),
            _ => None,
        });
        for (name, stage) in under_way.collect::<Vec<_>>() {
            let mut subject =
                match subject(&self.engine, &self.writer, &self.run, &name, stage.attempts).await {
                    Ok(subject) => subject,
                    Err(failure) => {
                        self.errored(&name, stage.attempts, failure);
                        continue;
                    }
                };
            if let Gate::Open(Some(signed)) = self.gate(&subject, stage.attempts).await? {
                Arc::make_mut(&mut subject).signed = Some(Arc::new(signed));
            }
            let past = match stage.status {
                StageStatus::Running => self.resumed(&name, stage.attempts).await?,
                _ => Past::Parked,
            };
            let key = self.skip_key(&subject).await;
            self.ready.push(Ready { subject, key, past });
        }
        Ok(())
    }

    /// Says that an attempt goes on which was in memory when an engine died.
    async fn resumed(&mut self, name: &StageName, attempt: u32) -> Result<Past, DriveError> {
        let Writer { tenant, run, .. } = &self.writer;
        let records = self.engine.store.journal(tenant, run, name, attempt).await?;
        let entries = records.iter().map(Record::seq).max().unwrap_or(0);
        let (at, stage) = (self.engine.clock.now_ms(), name.clone());
        self.append(RunEvent::AttemptResumed { at, stage, attempt, counts: true, entries });
        let fruitless = self.run.state.stages[name].fruitless_resumes;
        Ok(if fruitless > self.engine.rules.resume_cap { Past::Exhausted(fruitless) } else { Past::InMemory })
    }

    /// Answers whether anything was appended.
    pub(super) async fn take_up(&mut self, name: &StageName, attempt: u32) -> Result<bool, DriveError> {
        let Some(mut laid) = self.lay_out(name, attempt).await else { return Ok(true) };
        if let Some(held) = self.lock(name).await? {
            return Ok(self.hold(name, laid, held));
        }
        match self.gate(&laid.subject, attempt).await? {
            Gate::Open(signed) => {
                if let Some(signed) = signed {
                    Arc::make_mut(&mut laid.subject).signed = Some(Arc::new(signed));
                }
            }
            Gate::Waits(why) => return Ok(self.hold(name, laid, Held::Waits(why))),
            Gate::Closed(failure) => {
                self.ended(name, attempt, AttemptEnding::Failed(failure));
                return Ok(true);
            }
        }
        let at = self.engine.clock.now_ms();
        self.append(RunEvent::AttemptStarted { at, stage: name.clone(), attempt });
        self.active.insert(name.clone(), None);
        self.ready.push(Ready { subject: laid.subject, key: laid.key, past: Past::None });
        Ok(true)
    }

    /// What an attempt starts from, as it was laid out at the first look; none where the stage ends without starting.
    async fn lay_out(&mut self, name: &StageName, attempt: u32) -> Option<Laid> {
        if let Some(laid) = self.held.remove(name).filter(|laid| laid.subject.attempt == attempt) {
            return Some(laid);
        }
        let subject = match subject(&self.engine, &self.writer, &self.run, name, attempt).await {
            Ok(subject) => subject,
            Err(failure) => {
                self.errored(name, attempt, failure);
                return None;
            }
        };
        let key = self.skip_key(&subject).await;
        if let (Some(key), 1) = (&key, attempt)
            && let Some(proof) = skip::find(&self.engine, &subject, key).await
        {
            let (at, reason) = (self.engine.clock.now_ms(), SkipReason::Unchanged(Box::new(proof)));
            self.append(RunEvent::StageSkipped { at, stage: name.clone(), reason });
            return None;
        }
        Some(Laid { subject, key })
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
    fn hold(&mut self, name: &StageName, laid: Laid, held: Held) -> bool {
        let at = self.engine.clock.now_ms();
        match held {
            Held::Outdated(run) => {
                let reason = SkipReason::Outdated(run);
                self.append(RunEvent::StageSkipped { at, stage: name.clone(), reason });
                true
            }
            Held::Waits(why) => {
                self.held.insert(name.clone(), laid);
                if matches!(&self.run.state.stages[name].status, StageStatus::Held(said) if *said == why) {
                    return false;
                }
                self.append(RunEvent::StageWaiting { at, stage: name.clone(), why });
                false
            }
        }
    }

    /// The claim on the stage's environment, where it names one.
    pub(super) fn claim_of(&self, name: &StageName) -> Option<Claim> {
        let environment = self.run.plan.stages[name].environment.clone()?;
        Some(Claim {
            environment,
            run: self.writer.run.clone(),
            stage: name.clone(),
            group: format!("{} {}", self.run.plan.pipeline, self.run.plan.event.reference),
            order: self.run.number,
        })
    }

    /// The lock of the stage's environment; none when it is held, or none is needed.
    async fn lock(&mut self, name: &StageName) -> Result<Option<Held>, DriveError> {
        let Some(claim) = self.claim_of(name) else { return Ok(None) };
        let environment = &claim.environment;
        Ok(match self.engine.store.claim(&self.writer, &claim).await? {
            ClaimAnswer::Held(_) => None,
            ClaimAnswer::Busy(run) => {
                Some(Held::Waits(format!("for the lock of `{environment}`, which run {run} holds")))
            }
            ClaimAnswer::Outdated(run) => Some(Held::Outdated(run)),
            ClaimAnswer::Frozen(freeze) => {
                Some(Held::Waits(format!("until `{environment}` is thawed, {}", freeze.in_words())))
            }
        })
    }
}

/// Why a stage does not start now.
enum Held {
    Waits(String),
    Outdated(stageway_core::name::RunId),
}
