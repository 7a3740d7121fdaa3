//! One attempt from its first instance to its end: resumed after faults, parked and woken.
//!
//! *Guarantees.* A parked attempt is resumed by its answer, never by a restart. An attempt of an environment goes on only under
//! the environment's lock. An attempt whose run is another engine's now touches nothing any more.

use super::pace;
use super::wake::{self, Woken};
use crate::attempt::{Attempt, Closing, Followers, Mode, Subject, Wake, failure};
use crate::cancel::cancelled;
use crate::engine::Engine;
use stageway_core::call::Stop;
use stageway_core::grant::Interface;
use stageway_core::journal::Cursor;
use stageway_core::name::StageName;
use stageway_core::run::{AttemptEnding, RunEvent, Usage};
use stageway_ports::{Batch, Claim, ClaimAnswer, GuestEnd, GuestError, GuestRun, Linking, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// What an attempt tells its driver.
pub(super) enum Message {
    /// Others have written something.
    Look,
    /// Something to be appended.
    Event(RunEvent),
    /// The attempt of a stage only waits from now on, or goes on.
    Waits(StageName, bool),
    /// The run is somebody else's now.
    Lost(StoreError),
    /// The attempt is over.
    Finished(Box<Finished>),
}

pub(super) struct Finished {
    pub(super) stage: StageName,
    pub(super) attempt: u32,
    pub(super) closing: Closing,
}

/// Everything that an attempt needs.
pub(super) struct Work {
    pub(super) engine: Arc<Engine>,
    pub(super) subject: Arc<Subject>,
    pub(super) cancel: watch::Receiver<bool>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) outbox: mpsc::Sender<Message>,
    pub(super) past: Past,
    /// The lock to be regained first.
    pub(super) claim: Option<Claim>,
    /// Resumes in a row after faults of this process.
    pub(super) fruitless: u32,
    pub(super) followers: Followers,
}

/// What an attempt was when the engine before this one died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing: it starts.
    None,
    /// In memory, as far as the run's events say.
    InMemory,
    /// Parked.
    Parked,
    /// Resumed this often in a row to no effect: it ends.
    Exhausted(u32),
}

/// What became of one instance.
enum Instance {
    Over(Box<Closing>),
    Parked(Wake),
    /// Without an attempt where its journal could not even be read.
    Fault {
        message: String,
        entries: u32,
        attempt: Option<Box<Attempt>>,
    },
}

/// Performs an attempt; its end is the last message.
pub(super) async fn run(mut work: Work) {
    let closing = work.perform().await;
    let (stage, attempt) = (work.subject.stage.clone(), work.subject.attempt);
    let finished = Message::Finished(Box::new(Finished { stage, attempt, closing }));
    // A driver that is gone has lost the run, and with it the right to end this attempt.
    let _ = work.outbox.send(finished).await;
}

impl Work {
    async fn perform(&mut self) -> Closing {
        let deadline = self.started_at().await.saturating_add(self.subject.planned().timeout_ms);
        let mut entries_before = 0;
        match self.past {
            Past::None => {}
            Past::Exhausted(resumes) => {
                let message = format!("{resumes} resumes in a row came to no new entry of the journal");
                return self.end(GuestEnd::Errored(failure("resume-cap", message))).await;
            }
            Past::InMemory | Past::Parked => {
                if let Some(end) = self.regain(deadline).await {
                    return self.end(end).await;
                }
                self.wait_if_parked(deadline).await;
            }
        }
        // What has just started has written nothing: there is nothing to read.
        let mut is_unwritten = self.past == Past::None;
        loop {
            match self.instance(deadline, std::mem::take(&mut is_unwritten)).await {
                Instance::Over(closing) => return *closing,
                Instance::Parked(wake) => {
                    self.fruitless = 0;
                    self.sleep_until(&wake, deadline, true).await;
                    self.say_resumed(false, 0).await;
                }
                Instance::Fault { message, entries, attempt } => {
                    self.check_lease().await;
                    self.fruitless = if entries > entries_before { 1 } else { self.fruitless + 1 };
                    entries_before = entries;
                    if self.fruitless > self.engine.rules.resume_cap {
                        return close(attempt, GuestEnd::Stopped(Stop::Fault(message))).await;
                    }
                    tracing::warn!(stage.name = %self.subject.stage, stage.attempt = self.subject.attempt, fault = %message,
                        "a fault of ours: the attempt resumes");
                    tokio::time::sleep(Duration::from_millis(50_u64 << self.fruitless.min(7))).await;
                    self.say_resumed(true, entries).await;
                }
            }
        }
    }

    /// When the attempt started: a resume has no more time than the first instance had.
    async fn started_at(&self) -> u64 {
        let header = match self.past {
            Past::None => None,
            _ => self.cursor().await.ok().and_then(|cursor| cursor.header().map(|header| header.at)),
        };
        header.unwrap_or_else(|| self.engine.clock.now_ms())
    }

    /// Stays out of memory for as long as what the attempt was waiting for has not come. The journal decides that, not the run's
    /// events: an engine may die before it has said that an attempt parked, or that it goes on.
    async fn wait_if_parked(&mut self, deadline: u64) {
        let cursor = self.cursor().await.ok();
        let wake = cursor.as_ref().and_then(|cursor| wake::of_journal(cursor, &self.subject));
        match wake {
            Some(wake) if !wake::is_due(&self.engine, &self.subject, &wake).await => {
                if let (Wake::Tasks(names), Some(cursor)) = (&wake, cursor) {
                    self.attempt(cursor).follow_parked(names).await;
                }
                self.sleep_until(&wake, deadline, self.past == Past::InMemory).await;
            }
            _ if self.past == Past::InMemory => return,
            _ => {}
        }
        self.say_resumed(false, 0).await;
    }

    /// Takes the environment's lock again, which ended with the lease before; answers an end where that cannot be.
    async fn regain(&mut self, deadline: u64) -> Option<GuestEnd> {
        let claim = self.claim.take()?;
        let (engine, writer) = (self.engine.clone(), self.subject.writer.clone());
        let claimed = async {
            let mut seen = 0;
            loop {
                match engine.store.claim(&writer, &claim).await {
                    Ok(ClaimAnswer::Held(_)) => return None,
                    Ok(ClaimAnswer::Outdated(run)) => return Some(run),
                    Ok(ClaimAnswer::Busy(_) | ClaimAnswer::Frozen(_)) => {
                        seen = engine.store.changed(&writer.tenant, seen, Duration::from_secs(5)).await;
                    }
                    Err(error) => {
                        self.check_lease().await;
                        tracing::warn!(stage.name = %claim.stage, %error, "the lock could not be asked for");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        };
        tokio::select! {
            outdated = claimed => outdated.map(|run| {
                let message = format!("run {run} took `{}` while no engine held this run", claim.environment);
                GuestEnd::Errored(failure("environment-lost", message))
            }),
            () = cancelled(self.cancel.clone()) => Some(GuestEnd::Stopped(Stop::Cancelled)),
            () = engine.clock.until(deadline) => Some(self.out_of_time()),
        }
    }

    /// Ends the attempt without another instance.
    async fn end(&self, end: GuestEnd) -> Closing {
        close(self.cursor().await.ok().map(|cursor| Box::new(self.attempt(cursor))), end).await
    }

    /// Stands still for ever when the run is another engine's: nothing of it is ours any more, not even to end its tasks.
    async fn check_lease(&self) {
        let until = pace::lease_until(&self.engine);
        if let Err(error @ StoreError::Fenced { .. }) =
            self.engine.store.renew(&self.subject.writer, until).await
        {
            let _ = self.outbox.send(Message::Lost(error)).await;
            std::future::pending::<()>().await;
        }
    }

    fn out_of_time(&self) -> GuestEnd {
        GuestEnd::Limit(format!("the stage's timeout of {} ms", self.subject.planned().timeout_ms))
    }

    async fn instance(&mut self, deadline: u64, is_unwritten: bool) -> Instance {
        let permit = self.permits.clone().acquire_owned().await;
        let instance = self.one_instance(deadline, is_unwritten).await;
        drop(permit);
        instance
    }

    async fn one_instance(&mut self, deadline: u64, is_unwritten: bool) -> Instance {
        let cursor = if is_unwritten { Ok(Cursor::default()) } else { self.cursor().await };
        let cursor = match cursor {
            Ok(cursor) => cursor,
            Err(message) => return Instance::Fault { message, entries: 0, attempt: None },
        };
        if let Err(message) = self.prepare().await {
            let (entries, attempt) = (cursor.last(), Some(Box::new(self.attempt(cursor))));
            return Instance::Fault { message, entries, attempt };
        }
        let mut attempt = self.attempt(cursor);
        let run = GuestRun {
            tenant: self.subject.writer.tenant.clone(),
            component: self.subject.planned().plugin.digest,
            linking: linking(&self.subject),
            limits: attempt.limits().clone(),
            configuration: self.subject.configuration.clone(),
            seed: self.subject.seed,
            replayed: attempt.replayed(),
        };
        let ended = tokio::select! {
            biased;
            () = self.engine.clock.until(deadline) => Ok((self.out_of_time(), Usage::default())),
            ended = self.engine.guests.run(run, &mut attempt) => ended,
            () = after_grace(self.cancel.clone(), self.engine.rules.grace_ms) => {
                Ok((GuestEnd::Stopped(Stop::Cancelled), Usage::default()))
            }
        };
        match ended {
            Ok((GuestEnd::Stopped(Stop::Parked), _)) => match attempt.wake() {
                Some(wake) => Instance::Parked(wake.clone()),
                None => Instance::Parked(Wake::At(0)),
            },
            Ok((GuestEnd::Stopped(Stop::Fault(message)), _)) | Err(GuestError::Host(message)) => {
                Instance::Fault { message, entries: attempt.replayed(), attempt: Some(Box::new(attempt)) }
            }
            Ok((end, usage)) => Instance::Over(Box::new(attempt.close(end, usage).await)),
            Err(error) => {
                let end = GuestEnd::Trap(error.to_string());
                Instance::Over(Box::new(attempt.close(end, Usage::default()).await))
            }
        }
    }

    fn attempt(&self, cursor: Cursor) -> Attempt {
        let (engine, subject, cancel) = (self.engine.clone(), self.subject.clone(), self.cancel.clone());
        Attempt::new(engine, subject, Mode::Live, cursor, cancel).following(self.followers.clone())
    }

    async fn cursor(&self) -> Result<Cursor, String> {
        let Subject { writer, stage, attempt, .. } = &*self.subject;
        let records = self.engine.store.journal(&writer.tenant, &writer.run, stage, *attempt).await;
        Cursor::new(records.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
    }

    async fn prepare(&self) -> Result<(), String> {
        crate::planner::prepare(&self.engine, &self.subject.planned().plugin.digest).await
    }

    async fn say_parked(&self, why: String) {
        let event = RunEvent::AttemptParked {
            at: self.engine.clock.now_ms(),
            stage: self.subject.stage.clone(),
            attempt: self.subject.attempt,
            why,
        };
        let _ = self.outbox.send(Message::Event(event)).await;
    }

    async fn say_resumed(&self, counts: bool, entries: u32) {
        let event = RunEvent::AttemptResumed {
            at: self.engine.clock.now_ms(),
            stage: self.subject.stage.clone(),
            attempt: self.subject.attempt,
            counts,
            entries,
        };
        let _ = self.outbox.send(Message::Event(event)).await;
    }

    /// Says what the attempt waits for, and waits. A task that has no place yet is waited for in other words.
    async fn sleep_until(&mut self, wake: &Wake, deadline: u64, says: bool) {
        let queued = wake::queued(&self.engine, wake).await;
        match queued {
            Some(name) => self.say_parked(format!("for a place to run task {name}")).await,
            None if says => self.say_parked(wake::in_words(wake)).await,
            None => {}
        }
        let placed = async {
            if queued.is_some() {
                wake::placed(&self.engine, wake).await;
                self.say_parked(wake::in_words(wake)).await;
            }
            std::future::pending::<()>().await;
        };
        let rests = !matches!(wake, Wake::Tasks(_));
        if rests {
            let _ = self.outbox.send(Message::Waits(self.subject.stage.clone(), true)).await;
        }
        tokio::select! {
            woken = wake::wait(&self.engine, &self.subject, wake, self.cancel.clone(), deadline) => match woken {
                Woken::Outside | Woken::Cancelled | Woken::Deadline => {}
            },
            () = placed => {}
        }
        if rests {
            let _ = self.outbox.send(Message::Waits(self.subject.stage.clone(), false)).await;
        }
    }
}

/// Closes an attempt; one whose journal cannot be read ends without writing to it.
async fn close(attempt: Option<Box<Attempt>>, end: GuestEnd) -> Closing {
    if let Some(attempt) = attempt {
        return attempt.close(end, Usage::default()).await;
    }
    let why = match end {
        GuestEnd::Stopped(Stop::Fault(why)) => failure("engine-fault", why),
        GuestEnd::Errored(why) => why,
        other => {
            failure("engine-fault", format!("the journal cannot be read, and the attempt ends: {other:?}"))
        }
    };
    let ending = AttemptEnding::Errored(why);
    Closing { batch: Batch::default(), ending, usage: Usage::default(), tasks: Vec::new() }
}

/// Returns when a cancelled guest has had its grace period, and a little more for its last call.
async fn after_grace(cancel: watch::Receiver<bool>, grace_ms: u64) {
    cancelled(cancel).await;
    tokio::time::sleep(Duration::from_millis(grace_ms.saturating_add(500))).await;
}

/// What is linked: exactly what is granted, and what is optional and refused.
pub(crate) fn linking(subject: &Subject) -> Linking {
    let names = |interfaces: Vec<&Interface>| interfaces.into_iter().map(ToString::to_string).collect();
    Linking {
        granted: names(subject.grants.interfaces().iter().collect()),
        denied: names(subject.planned().denied.iter().collect()),
    }
}
