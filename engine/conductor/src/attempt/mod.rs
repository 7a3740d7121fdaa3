//! One attempt of a stage: grant check, journal, and dispatch of each call to the port that performs it.
//!
//! [`Attempt`] is the live side of [`Calls`]. The same code answers a replay and a plan, which differ from a live attempt only
//! in what happens to a call that the journal does not hold ([`Mode`]).
//!
//! *Guarantees.* A keyed or unkeyed call is performed only after its intent is durable; an unkeyed one at most once. A fault of
//! ours is never an answer.
//! *Assumptions.* The caller holds the run's lease, and drops the attempt when it loses it.

mod again;
mod approvals;
mod artifacts;
mod clock;
mod close;
mod cluster;
mod content;
mod copy;
mod dispatch;
mod environments;
mod http;
mod images;
mod invocation;
mod junit;
mod ledger;
mod mask;
mod mode;
mod output;
mod pack;
mod reports;
mod signed;
mod source;
mod subject;
mod tasks;
mod unpack;
mod workspace;

pub use close::Closing;
pub use mode::{Mode, Planned};
pub use signed::SignedSet;
pub use subject::Subject;

pub(crate) use cluster::rollout_ends;
pub(crate) use output::Followers;
pub(crate) use subject::{diagnosed, failure, seed_of};

use crate::engine::Engine;
use async_trait::async_trait;
use ledger::Ledger;
use mask::Mask;
use stageway_core::call::{Answer, CONTRACT, Call, Class, Function, HostError, Reply, Stop, Tasks, Value};
use stageway_core::digest::Digest;
use stageway_core::journal::{Cursor, FORMAT, Header, Intent, Next};
use stageway_core::workspace::View;
use stageway_ports::{Calls, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

/// One attempt of a stage, live, replayed or planned.
pub struct Attempt {
    engine: Arc<Engine>,
    subject: Arc<Subject>,
    mode: Mode,
    ledger: Ledger,
    header: Header,
    /// Logical time: `at` of the latest entry.
    at: u64,
    calls: u64,
    ordinal: (u32, u32),
    log_bytes: u64,
    random: u64,
    view: View,
    known: BTreeMap<Digest, artifacts::Known>,
    saved: BTreeMap<String, Digest>,
    tasks: BTreeMap<u32, tasks::Running>,
    followers: Followers,
    mask: Mask,
    cancel: watch::Receiver<bool>,
    cancel_told: bool,
    cancel_since: Option<Instant>,
    born: Instant,
    wake: Option<Wake>,
    signed: signed::Signed,
}

/// What a parked attempt waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wake {
    /// A time, in milliseconds since 1970.
    At(u64),
    /// The end of any of these tasks.
    Tasks(Vec<stageway_core::name::TaskName>),
    /// The end of a rollout, or the time after which nobody waits for it.
    Rollout {
        /// The call that follows it.
        call: Box<stageway_core::call::Cluster>,
        /// Milliseconds since 1970.
        deadline: u64,
    },
    /// A person's answer to entry `seq`, or the time after which nobody is asked any more.
    Approval {
        /// The entry that asks.
        seq: u32,
        /// Milliseconds since 1970.
        deadline: Option<u64>,
    },
}

/// Why a call has no value.
enum Halt {
    /// The guest is told.
    Tell(HostError),
    /// The guest is not told: its instance is dropped.
    Stop(Stop),
}

impl From<HostError> for Halt {
    fn from(error: HostError) -> Self {
        Self::Tell(error)
    }
}

impl From<stageway_core::grant::Denied> for Halt {
    fn from(denied: stageway_core::grant::Denied) -> Self {
        Self::Tell(HostError::Denied(denied.to_string()))
    }
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Stop(Stop::Fault(error.to_string()))
    }
}

impl From<stageway_ports::BlobError> for Halt {
    fn from(error: stageway_ports::BlobError) -> Self {
        Self::Stop(Stop::Fault(error.to_string()))
    }
}

fn invalid(message: impl Into<String>) -> Halt {
    Halt::Tell(HostError::InvalidArgument(message.into()))
}

type Outcome = Result<Value, Halt>;

impl Attempt {
    /// An attempt that starts, or goes on after what its journal holds.
    pub fn new(
        engine: Arc<Engine>,
        subject: Arc<Subject>,
        mode: Mode,
        cursor: Cursor,
        cancel: watch::Receiver<bool>,
    ) -> Self {
        let now = engine.clock.now_ms();
        let header = cursor.header().cloned().unwrap_or_else(|| header_of(&subject, now));
        let limits = &header.limits;
        let view = View::new((*subject.tree).clone(), limits.workspace_bytes, limits.workspace_files);
        let known = subject
            .artifacts
            .iter()
            .map(|(digest, what)| (*digest, artifacts::Known::given(*what)))
            .collect();
        Self {
            at: header.at,
            ledger: Ledger::new(cursor, &header),
            engine,
            subject,
            mode,
            header,
            calls: 0,
            ordinal: (0, 0),
            log_bytes: 0,
            random: 0,
            view,
            known,
            saved: BTreeMap::new(),
            tasks: BTreeMap::new(),
            followers: Followers::default(),
            mask: Mask::default(),
            cancel,
            cancel_told: false,
            cancel_since: None,
            born: Instant::now(),
            wake: None,
            signed: signed::Signed::default(),
        }
    }

    /// The same, with what instances before this one follow already.
    pub(crate) fn following(self, followers: Followers) -> Self {
        Self { followers, ..self }
    }

    /// How many entries will be replayed before the guest goes on live.
    pub fn replayed(&self) -> u32 {
        self.ledger.cursor.last()
    }

    /// What the attempt waits for, when it was parked.
    pub fn wake(&self) -> Option<&Wake> {
        self.wake.as_ref()
    }

    /// The limits in the header, which hold for the life of the attempt.
    pub fn limits(&self) -> &stageway_core::limits::AttemptLimits {
        &self.header.limits
    }

    /// What an approval signs of the call at which a plan ended, if it ended before the guest did.
    pub fn plan_ended_at(&self) -> Option<Digest> {
        match &self.mode {
            Mode::Plan(plan) => plan.ended_at,
            _ => None,
        }
    }

    /// What a plan recorded.
    pub fn planned(&self) -> &[Planned] {
        match &self.mode {
            Mode::Plan(plan) => &plan.calls,
            _ => &[],
        }
    }

    /// The lines that the plugin has written and nobody has stored.
    pub(crate) fn into_lines(self) -> Vec<stageway_core::log::Line> {
        self.ledger.lines
    }

    /// Whether a line or report after this entry was stored before: it became durable with the entry that followed.
    fn stands(&self, seq: u32) -> bool {
        matches!(self.mode, Mode::Live) && seq < self.replayed()
    }

    fn now(&self) -> u64 {
        self.engine.clock.now_ms().max(self.at)
    }

    /// Makes everything that waits durable.
    async fn flush(&mut self) -> Result<(), Halt> {
        if !matches!(self.mode, Mode::Live) {
            return Ok(());
        }
        if self.ledger.is_clean() {
            return Ok(());
        }
        let batch = self.ledger.take(&self.subject.stage, self.subject.attempt);
        self.engine.store.append(&self.subject.writer, batch).await?;
        Ok(())
    }

    async fn journaled(&mut self, call: Call) -> Reply {
        match self.ledger.cursor.next(&call) {
            Err(divergence) => Reply::Stop(Stop::Diverged(divergence)),
            Ok(Next::Replayed(entry)) => {
                let (answer, at) = (entry.answer.clone(), entry.at);
                self.at = at;
                self.note_signed(&call.function);
                if matches!(self.mode, Mode::Live)
                    && answer.is_ok()
                    && let Err(halt) = self.know_secrets(&call.function).await
                {
                    return stop(halt);
                }
                match self.absorb(&call, &answer).await {
                    Ok(()) => Reply::Answer(answer),
                    Err(halt) => stop(halt),
                }
            }
            Ok(Next::Doubt(intent)) => {
                let intent = intent.clone();
                self.in_doubt(call, intent).await
            }
            Ok(Next::Live) => self.live(call).await,
        }
    }

    async fn in_doubt(&mut self, call: Call, intent: Intent) -> Reply {
        if !matches!(self.mode, Mode::Live) {
            return Reply::Stop(Stop::PlanEnd);
        }
        if call.function.class() == Class::Unkeyed {
            let told = "the engine stopped between sending and recording".to_owned();
            return self.record(call, Err(HostError::InDoubt(told))).await;
        }
        self.finish(call, &intent.state, true).await
    }

    async fn live(&mut self, call: Call) -> Reply {
        if let Some(limit) = self.ledger.over(&self.header.limits) {
            return Reply::Stop(Stop::Limit(limit.to_owned()));
        }
        if self.grace_is_over() {
            return Reply::Stop(Stop::Cancelled);
        }
        let state = match self.prepare(&call).await {
            Ok(state) => state,
            Err(Halt::Tell(error)) => return self.record(call, Err(error)).await,
            Err(halt) => return stop(halt),
        };
        match self.mode {
            Mode::Replay => return Reply::Stop(Stop::PlanEnd),
            Mode::Plan(_) => return self.plan_call(call, &state).await,
            Mode::Live => {}
        }
        let class = call.function.class();
        if class != Class::Read {
            let at = self.now();
            self.ledger.intend(Intent {
                seq: call.seq,
                at,
                call: call.function.clone(),
                state: state.clone(),
            });
        }
        // The deadline of a wait for a task follows from the start of that task, so it is durable already.
        let durable_first = match &call.function {
            Function::Tasks(Tasks::Wait { .. } | Tasks::WaitAny { .. }) => false,
            _ => class != Class::Read,
        };
        if durable_first && let Err(halt) = self.flush().await {
            return stop(halt);
        }
        self.finish(call, &state, false).await
    }

    async fn finish(&mut self, call: Call, state: &serde_json::Value, doubt: bool) -> Reply {
        match self.perform(&call, state, doubt).await {
            Ok(value) => self.record(call, Ok(value)).await,
            Err(Halt::Tell(error)) => self.record(call, Err(error)).await,
            Err(halt) => stop(halt),
        }
    }

    /// Enters an answer that was just made and gives it to the guest.
    async fn record(&mut self, call: Call, answer: Answer) -> Reply {
        self.at = self.now();
        self.ledger.enter(&call, answer.clone(), self.at);
        self.note_signed(&call.function);
        if let Err(halt) = self.absorb(&call, &answer).await {
            return stop(halt);
        }
        // Between a send and its record lies doubt: keep that time short.
        if call.function.class() == Class::Unkeyed
            && let Err(halt) = self.flush().await
        {
            return stop(halt);
        }
        Reply::Answer(answer)
    }

    /// Number of a line or report: counted from 0 after each entry.
    fn next_ordinal(&mut self, seq: u32) -> u32 {
        if self.ordinal.0 != seq {
            self.ordinal = (seq, 0);
        }
        self.ordinal.1 += 1;
        self.ordinal.1 - 1
    }

    fn is_cancelled(&mut self) -> bool {
        let cancelled = *self.cancel.borrow();
        if cancelled {
            self.cancel_since.get_or_insert_with(Instant::now);
        }
        cancelled
    }

    fn grace_is_over(&mut self) -> bool {
        self.is_cancelled()
            && self
                .cancel_since
                .is_some_and(|since| since.elapsed().as_millis() as u64 > self.engine.rules.grace_ms)
    }

    /// How long a wait may last before the attempt leaves memory.
    fn patience_ms(&self) -> u64 {
        let rules = &self.engine.rules;
        let so_far = self.born.elapsed().as_millis() as u64;
        rules.park_after_ms.max(so_far.min(60_000).saturating_mul(rules.park_factor))
    }

    /// Leaves memory until `wake`.
    async fn park(&mut self, wake: Wake) -> Halt {
        if let Err(halt) = self.flush().await {
            return halt;
        }
        self.wake = Some(wake);
        Halt::Stop(Stop::Parked)
    }
}

fn stop(halt: Halt) -> Reply {
    match halt {
        Halt::Stop(stop) => Reply::Stop(stop),
        Halt::Tell(error) => Reply::Stop(Stop::Fault(format!("an answer was told outside a call: {error}"))),
    }
}

fn header_of(subject: &Subject, at: u64) -> Header {
    Header {
        format: FORMAT,
        contract: CONTRACT.to_owned(),
        component: subject.planned().plugin.digest,
        configuration: subject.configuration.clone(),
        tree: subject.tree_digest,
        limits: subject.planned().limits.clone(),
        seed: hex::encode(subject.seed),
        at,
    }
}

#[async_trait]
impl Calls for Attempt {
    async fn call(&mut self, call: Call) -> Reply {
        self.engine.observer.call(&self.subject.writer.run, &call);
        self.calls += 1;
        if self.calls > self.header.limits.host_calls {
            return Reply::Stop(Stop::Limit("host-calls".into()));
        }
        match call.function.class() {
            Class::Fact => {
                let answer = self.fact(&call.function);
                self.ledger.asked(&call.function, &answer);
                Reply::Answer(answer)
            }
            Class::Local => match self.local(&call).await {
                Ok(value) => Reply::Answer(Ok(value)),
                Err(Halt::Tell(error)) => Reply::Answer(Err(error)),
                Err(halt) => stop(halt),
            },
            _ => self.journaled(call).await,
        }
    }
}
