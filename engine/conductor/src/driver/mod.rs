//! The driver of one run: folds its events, decides, takes stages up, performs attempts, appends.
//!
//! *Guarantees.* Every append carries the lease's fence and the version it expects. The end of a stage and the start of those
//! that follow it are one transaction. An attempt that was in memory when the engine died goes on from its journal.
//! *Assumptions.* One driver a lease; the caller took it.

mod attempts;
mod gate;
mod leftovers;
mod loaded;
mod pace;
mod permit;
mod rest;
mod subject;
mod take_up;
mod wake;

use crate::attempt::{Followers, Subject};
use crate::engine::Engine;
use crate::planner::skip::SkipKey;
use attempts::{Finished, Message, Past};
use pace::Driven;
use rest::Place;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::PlanConditions;
use stageway_core::run::{Agenda, Decision, RunEvent, RunStatus, StageStatus, decide, next_attempt};
use stageway_ports::{Batch, Lease, StoreError, Writer};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, watch};

pub use loaded::{Loaded, load};
pub use rest::{Rest, Rests};
pub use subject::subject;

pub(crate) use attempts::linking;
pub(crate) use pace::lease_until;

/// Without anybody telling of a change.
const UNTOLD: Duration = Duration::from_secs(2);

/// Why a run could not be driven to its end by this engine. The run itself is as durable as it was.
#[derive(Debug, Error)]
pub enum DriveError {
    /// The store failed, or the run is somebody else's now.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No run has that id.
    #[error("no run {0}")]
    Unknown(RunId),
    /// What the store has is not a run that this engine understands.
    #[error("run {run} cannot be read: {problem}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// What is wrong.
        problem: String,
    },
}

/// Drives a run until it has ended; `rests` is told when it gives its place back meanwhile, and when it takes it again.
///
/// # Errors
/// [`DriveError`]; the run can be driven again by whoever leases it.
///
/// # Cancellation
/// Dropping the future is a crash of the engine: everything durable stays, and the next driver goes on.
pub async fn drive(
    engine: Arc<Engine>,
    writer: Writer,
    lease: Lease,
    rests: Option<Rests>,
) -> Result<RunStatus, DriveError> {
    let loaded = load(&*engine.store, &writer.tenant, &writer.run).await?;
    let _driven = Driven::begin();
    Driver::new(engine, writer, (lease, Place::new(rests)), loaded).drive().await
}

/// A stage that has been taken up and starts as soon as that is durable.
struct Ready {
    subject: Arc<Subject>,
    key: Option<SkipKey>,
    past: Past,
}

/// A stage whose attempt could start, as far as it alone is concerned.
struct Laid {
    subject: Arc<Subject>,
    key: Option<SkipKey>,
}

struct Driver {
    engine: Arc<Engine>,
    writer: Writer,
    lease: Lease,
    place: Place,
    run: Loaded,
    /// Of the run's plan and state, always.
    agenda: Agenda,
    batch: Batch,
    /// Stages whose attempt is in the hands of a task of ours.
    active: BTreeMap<StageName, Option<SkipKey>>,
    ready: Vec<Ready>,
    /// Stages that wait for a lock or an approval. What they start from does not change: the stages before them have ended.
    held: BTreeMap<StageName, Laid>,
    /// Tasks of attempts whose end is in the batch.
    forget: Vec<stageway_core::name::TaskName>,
    /// Whether this engine or one before it may have left tasks behind.
    sweeps: bool,
    inbox: mpsc::Receiver<Message>,
    outbox: mpsc::Sender<Message>,
    cancel: watch::Sender<bool>,
    permits: Arc<Semaphore>,
    tasks: tokio::task::JoinSet<()>,
}

impl Driver {
    fn new(engine: Arc<Engine>, writer: Writer, (lease, place): (Lease, Place), run: Loaded) -> Self {
        let (outbox, inbox) = mpsc::channel(256);
        let permits = engine.rules.stages.clone().unwrap_or_else(|| engine.rules.places());
        let (cancel, _) = watch::channel(run.state.cancel.is_some());
        let sweeps = lease.fence > 1;
        Self {
            engine,
            writer,
            lease,
            place,
            agenda: Agenda::new(&run.plan, &run.state),
            run,
            batch: Batch::default(),
            active: BTreeMap::new(),
            ready: Vec::new(),
            held: BTreeMap::new(),
            forget: Vec::new(),
            sweeps,
            inbox,
            outbox,
            cancel,
            permits,
            tasks: tokio::task::JoinSet::new(),
        }
    }

    async fn drive(mut self) -> Result<RunStatus, DriveError> {
        // Who was asked to end before anybody drove it takes nothing up.
        self.wished(self.run.cancel.clone());
        self.permitted().await?;
        self.watch();
        self.resume().await?;
        loop {
            self.settle().await?;
            self.placed().await?;
            self.commit().await?;
            self.launch();
            self.forget().await;
            if self.run.state.ended_at.is_some() {
                if self.sweeps {
                    leftovers::forget(&self.engine, &self.writer.tenant).await;
                }
                return Ok(self.run.state.status);
            }
            self.next().await?;
        }
    }

    /// Appends everything that can be decided now, and takes up what can start.
    async fn settle(&mut self) -> Result<(), DriveError> {
        // Each round ends at least one stage or takes one up, so the rounds are bounded by the stages.
        for _ in 0..=self.run.plan.stages.len() * 2 + 2 {
            let now = self.engine.clock.now_ms();
            let conditions = PlanConditions { plan: &self.run.plan };
            let decisions = decide(&self.run.plan, &self.run.state, &self.agenda, now, &conditions);
            let mut changed = false;
            for decision in decisions {
                match decision {
                    Decision::Append(event) => {
                        self.append(event);
                        changed = true;
                    }
                    Decision::TakeUp { stage, attempt } if !self.active.contains_key(&stage) => {
                        changed |= self.take_up(&stage, attempt).await?;
                    }
                    Decision::TakeUp { .. } => {}
                }
            }
            if !changed {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes an event into the batch and the state.
    fn append(&mut self, event: RunEvent) {
        if let (RunEvent::AttemptEnded { stage, .. } | RunEvent::StageSkipped { stage, .. }, Some(planned)) =
            (&event, event.stage().and_then(|name| self.run.plan.stages.get(name)))
            && let Some(environment) = &planned.environment
        {
            self.batch.release_claims.push((environment.clone(), stage.clone()));
        }
        self.run.state.apply(&event);
        self.agenda.note(&self.run.plan, &self.run.state, &event);
        self.batch.events.push(event);
    }

    async fn commit(&mut self) -> Result<(), DriveError> {
        if self.batch.events.is_empty() && self.batch.records.is_empty() && self.batch.lines.is_empty() {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.batch);
        batch.expected = self.run.version;
        let events = batch.events.clone();
        self.run.version = self.engine.store.append(&self.writer, batch).await?;
        for event in &events {
            self.engine.observer.event(&self.writer.run, event);
        }
        Ok(())
    }

    /// Forgets the tasks whose attempt's end is durable, while what follows it runs already.
    async fn forget(&mut self) {
        self.sweeps |= !self.forget.is_empty();
        for task in std::mem::take(&mut self.forget) {
            if let Err(error) = self.engine.executor.forget(&task).await {
                tracing::warn!(task.name = %task, %error, "a task could not be forgotten");
            }
        }
    }

    /// Starts what was taken up, now that it is durable.
    fn launch(&mut self) {
        for ready in std::mem::take(&mut self.ready) {
            let stage = ready.subject.stage.clone();
            let finally = ready.subject.planned().finally;
            // A stage that cleans up is not told of the cancel that made it run.
            let cancel = if finally { watch::channel(false).1 } else { self.cancel.subscribe() };
            self.active.insert(stage, ready.key);
            let claim = if ready.past == Past::None { None } else { self.claim_of(&ready.subject.stage) };
            self.tasks.spawn(attempts::run(attempts::Work {
                engine: self.engine.clone(),
                subject: ready.subject,
                cancel,
                permits: self.permits.clone(),
                outbox: self.outbox.clone(),
                past: ready.past,
                claim,
                fruitless: 0,
                followers: Followers::default(),
            }));
        }
    }

    /// Waits for the next thing that happens.
    async fn next(&mut self) -> Result<(), DriveError> {
        let renew_in = self.lease.until.saturating_sub(self.engine.clock.now_ms()) / 2;
        let due = self.next_due();
        let clock = self.engine.clock.clone();
        let rests = self.place.due();
        tokio::select! {
            message = self.inbox.recv() => {
                if let Some(message) = message {
                    self.take(message).await?;
                }
            }
            () = async { match due { Some(at) => clock.until(at).await, None => std::future::pending().await } } => {
                self.timeout_of_run();
            }
            () = async { match rests { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {
                self.rest(true).await?;
            }
            () = tokio::time::sleep(Duration::from_millis(renew_in.max(50))) => {
                self.lease.until = lease_until(&self.engine);
                self.engine.store.renew(&self.writer, self.lease.until).await?;
            }
        }
        Ok(())
    }

    /// When something is due without a message: a retry, or the end of the run's time.
    fn next_due(&self) -> Option<u64> {
        let stages =
            self.agenda.stages(&self.run.plan).filter_map(|(name, _)| self.run.state.stages.get(name));
        let retries = stages.filter_map(|stage| match stage.status {
            StageStatus::Retrying(due) => Some(due),
            _ => None,
        });
        let end = self.run.state.created_at.saturating_add(self.run.plan.timeout_ms);
        retries.chain(self.run.state.cancel.is_none().then_some(end)).min()
    }

    fn timeout_of_run(&mut self) {
        let at = self.engine.clock.now_ms();
        let end = self.run.state.created_at.saturating_add(self.run.plan.timeout_ms);
        if at >= end && self.run.state.cancel.is_none() {
            self.cancel(
                at,
                "stageway".into(),
                format!("the run's timeout of {} ms is over", self.run.plan.timeout_ms),
            );
        }
    }

    fn cancel(&mut self, at: u64, by: String, reason: String) {
        self.append(RunEvent::CancelRequested { at, by, reason });
        self.cancel.send_replace(true);
    }

    async fn take(&mut self, message: Message) -> Result<(), DriveError> {
        match message {
            Message::Look => self.look().await,
            Message::Event(event) => {
                self.append(event);
                Ok(())
            }
            Message::Waits(stage, waits) => {
                self.place.waits(stage, waits);
                Ok(())
            }
            Message::Lost(error) => Err(error.into()),
            Message::Finished(finished) => {
                self.finished(*finished);
                Ok(())
            }
        }
    }

    /// Something of the tenant was written: perhaps a wish for the end, perhaps a lock or an answer.
    async fn look(&mut self) -> Result<(), DriveError> {
        if self.run.state.cancel.is_none() {
            self.wished(self.engine.store.cancel_request(&self.writer.tenant, &self.writer.run).await?);
        }
        Ok(())
    }

    /// Takes up a wish for the end, which the run may have taken up already.
    fn wished(&mut self, wish: Option<(String, String, u64)>) {
        if let (None, Some((by, reason, at))) = (&self.run.state.cancel, wish) {
            self.cancel(at, by, reason);
        }
    }

    /// An attempt is over: its end, and what follows from it, become durable together.
    fn finished(&mut self, finished: Finished) {
        let Finished { stage, attempt, closing } = finished;
        let key = self.active.remove(&stage).flatten();
        self.place.waits(stage.clone(), false);
        let at = self.engine.clock.now_ms();
        self.batch.records.extend(closing.batch.records);
        self.batch.lines.extend(closing.batch.lines);
        self.batch.reports.extend(closing.batch.reports);
        self.forget.extend(closing.tasks);
        let retry = next_attempt(&self.run.plan.stages[&stage], &stage, attempt, &closing.ending, at);
        let succeeded = matches!(closing.ending, stageway_core::run::AttemptEnding::Succeeded { .. });
        if let (true, Some(key)) = (succeeded, key) {
            self.batch.proofs.push(key.proof(&stage, attempt, self.run.plan.trust()));
        }
        self.append(RunEvent::AttemptEnded {
            at,
            stage,
            attempt,
            ending: closing.ending,
            usage: closing.usage,
        });
        if let (Some(retry), None) = (retry, &self.run.state.cancel) {
            self.append(retry);
        }
    }

    /// Watches for what others write: a cancel, an answer, a lock that is free again.
    fn watch(&mut self) {
        let (engine, tenant, outbox) = (self.engine.clone(), self.writer.tenant.clone(), self.outbox.clone());
        self.tasks.spawn(async move {
            let mut seen = 0;
            loop {
                tokio::time::sleep(pace::look()).await;
                seen = engine.store.changed(&tenant, seen, UNTOLD.max(pace::look())).await;
                if outbox.send(Message::Look).await.is_err() {
                    return;
                }
            }
        });
    }
}
