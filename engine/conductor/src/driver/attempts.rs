//! One attempt from its first instance to its end: resumed after faults, parked and woken.

use super::wake::{self, Woken};
use crate::attempt::{Attempt, Closing, Mode, Subject, Wake};
use crate::cancel::cancelled;
use crate::engine::Engine;
use stageway_core::call::Stop;
use stageway_core::grant::Interface;
use stageway_core::journal::Cursor;
use stageway_core::name::StageName;
use stageway_core::run::{RunEvent, Usage};
use stageway_ports::{GuestEnd, GuestError, GuestRun, Linking};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, watch};

/// What an attempt tells its driver.
pub(super) enum Message {
    /// Others have written something.
    Look,
    /// Something to be appended.
    Event(RunEvent),
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
    /// The attempt was in memory, or parked, when an engine died.
    pub(super) resumed: bool,
    /// Resumes in a row after faults of this process.
    pub(super) fruitless: u32,
}

/// What became of one instance.
enum Instance {
    Over(Closing),
    Parked(Wake),
    Fault { message: String, entries: u32, attempt: Box<Attempt> },
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
        let deadline = self.engine.clock.now_ms().saturating_add(self.subject.planned().timeout_ms);
        let mut entries_before = 0;
        if self.resumed {
            self.wait_if_parked(deadline).await;
        }
        loop {
            match self.instance(deadline).await {
                Instance::Over(closing) => return closing,
                Instance::Parked(wake) => {
                    self.fruitless = 0;
                    self.say_parked(&wake).await;
                    self.sleep_until(&wake, deadline).await;
                    self.say_resumed(false, 0).await;
                }
                Instance::Fault { message, entries, attempt } => {
                    self.fruitless = if entries > entries_before { 1 } else { self.fruitless + 1 };
                    entries_before = entries;
                    if self.fruitless > self.engine.rules.resume_cap {
                        return attempt
                            .close(GuestEnd::Stopped(Stop::Fault(message)), Usage::default())
                            .await;
                    }
                    tracing::warn!(stage.name = %self.subject.stage, stage.attempt = self.subject.attempt, fault = %message,
                        "a fault of ours: the attempt resumes");
                    tokio::time::sleep(Duration::from_millis(50_u64 << self.fruitless.min(7))).await;
                    self.say_resumed(true, entries).await;
                }
            }
        }
    }

    /// An attempt that was parked is resumed by its answer, never by a restart.
    async fn wait_if_parked(&mut self, deadline: u64) {
        if let Ok(cursor) = self.cursor().await
            && let Some(wake) = wake::of_journal(&cursor, &self.subject)
        {
            self.sleep_until(&wake, deadline).await;
        }
    }

    async fn instance(&mut self, deadline: u64) -> Instance {
        let permit = self.permits.clone().acquire_owned().await;
        let instance = self.one_instance(deadline).await;
        drop(permit);
        instance
    }

    async fn one_instance(&mut self, deadline: u64) -> Instance {
        let cursor = match self.cursor().await {
            Ok(cursor) => cursor,
            Err(message) => return self.fault(message, Cursor::default()),
        };
        if let Err(message) = self.prepare().await {
            return self.fault(message, cursor);
        }
        let mut attempt = self.attempt(cursor);
        let run = GuestRun {
            component: self.subject.planned().plugin.digest,
            linking: linking(&self.subject),
            limits: attempt.limits().clone(),
            configuration: self.subject.configuration.clone(),
            seed: self.subject.seed,
            replayed: attempt.replayed(),
        };
        let timeout = deadline.saturating_sub(self.engine.clock.now_ms());
        let ended = tokio::select! {
            ended = self.engine.guests.run(run, &mut attempt) => ended,
            () = tokio::time::sleep(Duration::from_millis(timeout)) => {
                let limit = format!("the stage's timeout of {} ms", self.subject.planned().timeout_ms);
                Ok((GuestEnd::Limit(limit), Usage::default()))
            }
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
                Instance::Fault { message, entries: attempt.replayed(), attempt: Box::new(attempt) }
            }
            Ok((end, usage)) => Instance::Over(attempt.close(end, usage).await),
            Err(error) => {
                Instance::Over(attempt.close(GuestEnd::Trap(error.to_string()), Usage::default()).await)
            }
        }
    }

    fn attempt(&self, cursor: Cursor) -> Attempt {
        Attempt::new(self.engine.clone(), self.subject.clone(), Mode::Live, cursor, self.cancel.clone())
    }

    fn fault(&self, message: String, cursor: Cursor) -> Instance {
        let entries = cursor.last();
        Instance::Fault { message, entries, attempt: Box::new(self.attempt(cursor)) }
    }

    async fn cursor(&self) -> Result<Cursor, String> {
        let Subject { writer, stage, attempt, .. } = &*self.subject;
        let records = self.engine.store.journal(&writer.tenant, &writer.run, stage, *attempt).await;
        Cursor::new(records.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
    }

    async fn prepare(&self) -> Result<(), String> {
        crate::planner::prepare(&self.engine, &self.subject.planned().plugin.digest).await
    }

    async fn say_parked(&self, wake: &Wake) {
        let event = RunEvent::AttemptParked {
            at: self.engine.clock.now_ms(),
            stage: self.subject.stage.clone(),
            attempt: self.subject.attempt,
            why: wake::in_words(wake),
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

    async fn sleep_until(&mut self, wake: &Wake, deadline: u64) {
        match wake::wait(&self.engine, &self.subject, wake, self.cancel.clone(), deadline).await {
            Woken::Outside | Woken::Cancelled | Woken::Deadline => {}
        }
    }
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
