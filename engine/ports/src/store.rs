use crate::Freeze;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use stageway_core::digest::Digest;
use stageway_core::journal::Record;
use stageway_core::log::{Line, Report};
use stageway_core::name::{EnvironmentName, PipelineName, RunId, StageName, TenantId};
use stageway_core::run::{RunEvent, RunStatus};
use std::time::Duration;
use thiserror::Error;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Nothing has that name for this tenant.
    #[error("not found: {0}")]
    NotFound(String),
    /// Somebody else holds the run: the fence is not the newest.
    #[error("run {run} is held by another: fence {given}, newest {newest}")]
    Fenced {
        /// The run.
        run: RunId,
        /// What the writer carried.
        given: u64,
        /// What the store has.
        newest: u64,
    },
    /// The run is at another version than the writer expected.
    #[error("run {run} is at version {found}, not {expected}")]
    Version {
        /// The run.
        run: RunId,
        /// What the writer expected.
        expected: u64,
        /// What the store has.
        found: u64,
    },
    /// It stands already, with other contents.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The storage failed, is full, or was written by a newer engine.
    #[error("the store failed: {0}")]
    Storage(String),
}

/// A run that begins to exist.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// The frozen plan.
    pub plan: Json,
    /// Milliseconds since 1970; orders the runs within an environment.
    pub at: u64,
    /// Its first events.
    pub events: Vec<RunEvent>,
}

/// A run with everything that is folded.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Counts the runs of a tenant from 1.
    pub number: u64,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// The frozen plan.
    pub plan: Json,
    /// All events in order.
    pub events: Vec<RunEvent>,
    /// How many events there are: what the next append expects.
    pub version: u64,
    /// The newest fence; 0 when it was never leased.
    pub fence: u64,
    /// The wish for its end, as [`Store::cancel_request`] has it.
    pub cancel: Option<(String, String, u64)>,
}

/// A line of the list of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// Counts the runs of a tenant from 1.
    pub number: u64,
    /// Its pipeline.
    pub pipeline: PipelineName,
    /// A projection of the events.
    pub status: RunStatus,
    /// When it was made.
    pub created_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// Why it has not begun, for people; a store does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Until when somebody has the right to drive it, unless they die before; only a store itself knows.
    #[serde(skip)]
    pub held_until: Option<u64>,
}

/// Which runs a list has; newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Only of this pipeline.
    pub pipeline: Option<PipelineName>,
    /// Only those that have not ended.
    pub unfinished: bool,
    /// Only those with a smaller number.
    pub before: Option<u64>,
    /// At most this many.
    pub max: u32,
}

/// The right to write to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Grows with every lease of the run.
    pub fence: u64,
    /// Milliseconds since 1970; renewed before that.
    pub until: u64,
}

/// Who appends: every write of a run carries all three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Whose run.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// From the lease.
    pub fence: u64,
}

/// Everything that becomes durable together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Version of the run before this append; checked only when `events` has some.
    pub expected: u64,
    /// Events of the run.
    pub events: Vec<RunEvent>,
    /// Records of attempts, in order of seq within each. A record that stands already with the same contents is no fault.
    pub records: Vec<(StageName, u32, Record)>,
    /// Lines. One whose origin stands already in its (stage, attempt) is not written again.
    pub lines: Vec<Line>,
    /// Measures, annotations, test reports; keyed like lines.
    pub reports: Vec<Report>,
    /// On resume: plugin lines and reports of (stage, attempt) beyond this seq are struck out, before those of this batch
    /// are written. What is struck out no longer stands: its origin may come again.
    pub strike: Vec<(StageName, u32, u32)>,
    /// What a later run may be compared with.
    pub proofs: Vec<NewProof>,
    /// Environments that this run's stages give back.
    pub release_claims: Vec<(EnvironmentName, StageName)>,
}

/// What a later run may be compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProof {
    /// The skip key.
    pub key: Digest,
    /// The stage that succeeded.
    pub stage: StageName,
    /// Its attempt.
    pub attempt: u32,
    /// 0 fork, 1 member, 2 protected: only the same or higher counts.
    pub trust: u8,
    /// What the key was made of, in words, so that a page can say what differs.
    pub compared: Json,
}

/// An attempt whose inputs had the same key.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its run.
    pub run: RunId,
    /// Its stage.
    pub stage: StageName,
    /// Its attempt.
    pub attempt: u32,
    /// What the key was made of.
    pub compared: Json,
}

/// A line with its number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredLine {
    /// In order of arrival within the run, from 1; never changes its line.
    pub number: u64,
    /// The line.
    pub line: Line,
    /// It belongs to a timeline that did not happen.
    pub struck: bool,
}

/// A wish for the lock of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The environment.
    pub environment: EnvironmentName,
    /// The run.
    pub run: RunId,
    /// Its stage.
    pub stage: StageName,
    /// Groups runs that order each other: pipeline and ref.
    pub group: String,
    /// The place in that order: later runs have greater ones.
    pub order: u64,
}

/// What came of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// The lock is held, under this fence. Claiming again answers the same.
    Held(u64),
    /// Another run holds it.
    Busy(RunId),
    /// A later run of the same group held it already.
    Outdated(RunId),
    /// Nobody may take it: it is frozen. Who holds it already keeps it.
    Frozen(Freeze),
}

/// Something that was released to an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its id: derives from the key of the call that recorded it.
    pub id: String,
    /// The run.
    pub run: RunId,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What the plugin said.
    pub what: Json,
    /// good, bad or unknown.
    pub verdict: String,
    /// Why; empty before it was judged.
    pub reason: String,
}

/// A question that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The stage.
    pub stage: StageName,
    /// Its attempt.
    pub attempt: u32,
    /// The journal entry that asks; 0 for the gate before a stage.
    pub seq: u32,
    /// The question.
    pub question: String,
    /// {approvers, "within-ms"} and the signed set of effects where there is one.
    pub options: Json,
    /// When it was asked.
    pub asked_at: u64,
    /// Who may answer until then, if there is an end.
    pub deadline: Option<u64>,
    /// The answer.
    pub answer: Option<ApprovalAnswer>,
}

impl Approval {
    /// What an answer is given to: sha256 of the canonical JSON of stage, attempt, seq, question and options, and so of the set of
    /// effects.
    pub fn digest(&self) -> Digest {
        let Self { stage, attempt, seq, question, options, .. } = self;
        Digest::of_json(&json!({
            "stage": stage, "attempt": attempt, "seq": seq, "question": question, "options": options,
        }))
    }

    /// That an answer was given to this question.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it was given to another.
    pub fn is_meant_by(&self, answer: &ApprovalAnswer) -> Result<(), StoreError> {
        if answer.to.is_none_or(|to| to == self.digest()) {
            return Ok(());
        }
        Err(StoreError::Conflict(format!("{} asks something else by now", self.stage)))
    }
}

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    /// Yes or no.
    pub approved: bool,
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The digest of the question as the person read it; none says that whatever is asked is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Digest>,
}

/// The engine's memory. Every method is one transaction; every row carries its tenant.
#[async_trait]
pub trait Store: Send + Sync {
    /// Makes a run and answers its number. Making it again with the same id is once.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id stands for another pipeline or plan.
    async fn create_run(&self, tenant: &TenantId, run: NewRun) -> Result<u64, StoreError>;

    /// A run with its events.
    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunRecord>, StoreError>;

    /// Summaries, newest first.
    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Result<Vec<RunSummary>, StoreError>;

    /// Takes the right to write to a run until `until`: none while another holder's lease has not ended at `now`, unless
    /// `force` (the caller knows that the holder is dead, as a lock of the kernel tells). Every lease has a new fence, and
    /// ends the claims that were made under the one before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn lease(
        &self,
        tenant: &TenantId,
        run: &RunId,
        holder: &str,
        now: u64,
        until: u64,
        force: bool,
    ) -> Result<Option<Lease>, StoreError>;

    /// Extends a lease.
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    async fn renew(&self, writer: &Writer, until: u64) -> Result<(), StoreError>;

    /// A run that only waits gives its place among the runs that are driven back, or takes it again
    /// ([`Queue`](crate::Queue)). A run that was not admitted has none.
    ///
    /// # Errors
    /// [`StoreError::Fenced`].
    async fn rest(&self, writer: &Writer, rests: bool) -> Result<(), StoreError>;

    /// Appends a batch, all or nothing, and answers the run's new version.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Version`] and [`StoreError::Conflict`]; nothing is written then.
    async fn append(&self, writer: &Writer, batch: Batch) -> Result<u64, StoreError>;

    /// The records of an attempt in order.
    async fn journal(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Result<Vec<Record>, StoreError>;

    /// At most `max` lines after a number; of one stage only if it is given.
    async fn lines(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: Option<&StageName>,
        after: u64,
        max: u32,
    ) -> Result<Vec<StoredLine>, StoreError>;

    /// Reports of a run that were not struck out, in order.
    async fn reports(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<Report>, StoreError>;

    /// Attempts that succeeded with this key at this trust or higher, newest first.
    async fn candidates(
        &self,
        tenant: &TenantId,
        key: &Digest,
        trust: u8,
        max: u32,
    ) -> Result<Vec<Candidate>, StoreError>;

    /// The newest proof of a stage of a pipeline: what a stage that ran is compared with, to say what changed.
    async fn newest_proof(
        &self,
        tenant: &TenantId,
        pipeline: &PipelineName,
        stage: &StageName,
    ) -> Result<Option<Candidate>, StoreError>;

    /// Asks for the lock of an environment. The writer's fence is checked. The lock ends with a batch that gives it back,
    /// with the run, or with the next lease of the run.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::Conflict`] when the claim is of another run or the run has ended.
    async fn claim(&self, writer: &Writer, claim: &Claim) -> Result<ClaimAnswer, StoreError>;

    /// Releases of an environment, newest first.
    async fn releases(
        &self,
        tenant: &TenantId,
        environment: &EnvironmentName,
        max: u32,
    ) -> Result<Vec<Release>, StoreError>;

    /// Records a release; the same id again is once. The writer must hold the environment's lock.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::Conflict`] without the lock, or when the id stands for another run or other
    /// contents.
    async fn release(
        &self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: Release,
    ) -> Result<(), StoreError>;

    /// Sets the verdict of a release; the same verdict again is once, another one replaces it. A verdict without a reason may still
    /// get one: so does the `unknown` with which every release begins.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] and [`StoreError::NotFound`].
    async fn judge(
        &self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &str,
        verdict: &str,
        reason: &str,
    ) -> Result<(), StoreError>;

    /// Asks a person; asking again under the same (stage, attempt, seq) is once. An answer in it is not taken.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]; [`StoreError::Conflict`] when another question stands there.
    async fn ask(&self, writer: &Writer, approval: Approval) -> Result<(), StoreError>;

    /// Every question of a run.
    async fn approvals(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<Approval>, StoreError>;

    /// Answers the newest question of a stage; no lease is needed.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without a question or after its deadline, [`StoreError::Conflict`] when it was answered
    /// already, or the answer was given to another question.
    async fn answer(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        answer: ApprovalAnswer,
    ) -> Result<(), StoreError>;

    /// Asks for the end of a run; whoever holds it folds the wish. No lease is needed; asking twice is once.
    async fn request_cancel(
        &self,
        tenant: &TenantId,
        run: &RunId,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<(), StoreError>;

    /// The wish for the end of a run: who, why, when.
    async fn cancel_request(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<(String, String, u64)>, StoreError>;

    /// The tenant's count of changes, as soon as it is greater than `since`, at the latest after `within`. It grows with
    /// everything that a reader can see, written by this process or another; 0 is before the first.
    ///
    /// Whoever reads the count first and the state then misses nothing: `since` is the caller's, so many may wait on one
    /// store. A fault of the storage is no change.
    async fn changed(&self, tenant: &TenantId, since: u64, within: Duration) -> u64;
}
