use crate::{NewRun, StoreError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stageway_core::delivery::{DeliveryId, Reference, Revision, StatusReport};
use stageway_core::diagnostic::Diagnostic;
use stageway_core::event::EventKind;
use stageway_core::name::{PipelineName, ReceiptId, RepositoryId, RunId, TenantId, WebhookId};
use stageway_core::plan::Concurrency;
use stageway_core::run::RunStatus;
use std::collections::BTreeMap;

/// A request to a webhook whose signature was right.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Ours.
    pub id: ReceiptId,
    /// Where it came.
    pub webhook: WebhookId,
    /// The forge's own id: unique within the webhook.
    pub key: DeliveryId,
    /// Milliseconds since 1970.
    pub at: u64,
    /// What the forge calls it, such as `push`.
    pub event: String,
    /// Headers without secrets, lower-case names, in order.
    pub headers: Vec<(String, String)>,
    /// The bytes as they came.
    pub body: Vec<u8>,
    /// The repository that it is about, if it is one of ours.
    pub repository: Option<RepositoryId>,
    /// The heads that it says have moved, each ref once.
    pub moves: Vec<Moved>,
    /// Known already when nothing is to be done about it.
    pub outcome: Option<Outcome>,
}

/// The head of a ref that a delivery says has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The full ref.
    pub reference: Reference,
    /// The head before; none if it is not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Revision>,
    /// The head after; none when the ref is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Revision>,
}

/// What a delivery was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The delivery that stands under the key.
    pub id: ReceiptId,
    /// Whether this was the first.
    pub first: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// When that was known.
    pub at: u64,
    /// In one sentence.
    pub summary: String,
    /// Runs of it, new or already there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<RunId>,
    /// Pipelines that it did not start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// What was wrong with the pipeline files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Diagnostic>,
}

/// A pipeline that a delivery did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Which.
    pub pipeline: PipelineName,
    /// Why.
    pub reason: String,
}

/// A delivery as lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Ours.
    pub id: ReceiptId,
    /// In order of arrival, over all tenants.
    pub number: u64,
    /// Where it came.
    pub webhook: WebhookId,
    /// The forge's own id.
    pub key: DeliveryId,
    /// When it came.
    pub at: u64,
    /// What the forge calls it.
    pub event: String,
    /// Headers without secrets.
    pub headers: Vec<(String, String)>,
    /// Bytes of its body.
    pub size: u64,
    /// The repository that it is about, if it is one of ours.
    pub repository: Option<RepositoryId>,
    /// How often it was taken up.
    pub attempts: u32,
    /// Why it is tried again.
    pub trouble: Option<String>,
    /// What became of it; none until it was taken in.
    pub outcome: Option<Outcome>,
}

/// Which deliveries a list has; newest first.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only of this webhook.
    pub webhook: Option<WebhookId>,
    /// Only those with a smaller number.
    pub before: Option<u64>,
    /// At most this many.
    pub max: u32,
}

/// A delivery that was given to somebody to take in.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Whose.
    pub tenant: TenantId,
    /// The delivery.
    pub delivery: Delivery,
    /// Grows with every claim of it.
    pub fence: u64,
    /// Its moves, in the order in which they were told.
    pub moves: Vec<PlacedMove>,
}

/// A move with its place in the history of its ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedMove {
    /// What was told.
    pub moved: Moved,
    /// The generation of the head after it.
    pub generation: u64,
    /// A move from and to the same heads was told before.
    pub repeated: bool,
    /// The head that was told of last before the delivery came.
    pub known: Option<Revision>,
}

/// The right to say what became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub delivery: ReceiptId,
    /// From the claim.
    pub fence: u64,
}

/// What became of a delivery, with everything that becomes durable with it.
#[derive(Debug, Clone, Default)]
pub struct Settlement {
    /// For people.
    pub outcome: Outcome,
    /// Runs that begin to exist with it, unless their keys stand already. They become runs of the outcome.
    pub runs: Vec<Admission>,
    /// Refs whose move turned out to be late: nothing is compared with it any more.
    pub late: Vec<Reference>,
    /// The heads that the fetch found.
    pub found: Vec<(Reference, Revision)>,
    /// What the forge is told of pipelines that have no run.
    pub statuses: Vec<NewStatus>,
}

/// What the forge is told of one commit. A later one of the same commit and context replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStatus {
    /// In which repository.
    pub repository: RepositoryId,
    /// The commit.
    pub revision: Revision,
    /// What.
    pub report: StatusReport,
}

/// What makes a run the only one of its kind: two with the same key are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunKey {
    /// The repository.
    pub repository: RepositoryId,
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The full ref.
    pub reference: Reference,
    /// Of its head.
    pub generation: u64,
    /// The kind of the event, or [`RunKey::PREFLIGHT`].
    pub kind: String,
    /// Canonical JSON of what was given by hand; empty for what a forge told.
    pub parameters: String,
}

impl RunKey {
    /// The kind of runs whose files nobody pushed.
    pub const PREFLIGHT: &'static str = "preflight";

    /// Whether the files were sent by a person instead of being pushed. Such a run is of no commit: no forge is told of it, it
    /// belongs to no concurrency group, and nothing follows it.
    pub fn is_preflight(&self) -> bool {
        self.kind == Self::PREFLIGHT
    }

    /// The key as one text, in which no two keys are alike.
    pub fn text(&self) -> String {
        stageway_core::journal::canonical(self)
    }
}

/// A run that begins to exist, unless its key stands already.
#[derive(Debug, Clone)]
pub struct Admission {
    /// What makes it unique.
    pub key: RunKey,
    /// The run.
    pub run: NewRun,
    /// The commit that it is about; of a preflight the digest of its tree.
    pub revision: Revision,
    /// What caused it.
    pub delivery: Option<ReceiptId>,
    /// Runs of the pipeline with the same text mind each other.
    pub concurrency: Option<Concurrency>,
    /// Under which name the forge shows it; none if it is not told.
    pub context: Option<String>,
    /// The run that it repeats or follows.
    pub after: Option<RunId>,
    /// Other pipelines wait for its success.
    pub listened: bool,
}

/// What came of an admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The run that stands under the key.
    pub run: RunId,
    /// Its number.
    pub number: u64,
    /// Whether it was made now.
    pub new: bool,
}

/// Where a run came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOrigin {
    /// The run.
    pub run: RunId,
    /// Its number.
    pub number: u64,
    /// What makes it unique.
    pub key: RunKey,
    /// The commit that it is about.
    pub revision: Revision,
    /// What caused it.
    pub delivery: Option<ReceiptId>,
    /// Runs of the pipeline with the same text mind each other.
    pub concurrency: Option<Concurrency>,
    /// The run that it repeats or follows.
    pub after: Option<RunId>,
    /// Where it stands.
    pub status: RunStatus,
}

impl RunOrigin {
    /// Runs for which this is the same have their places one after the other.
    pub fn group(&self) -> Option<(&RepositoryId, &PipelineName, &str)> {
        let concurrency = self.concurrency.as_ref()?;
        Some((&self.key.repository, &self.key.pipeline, concurrency.group.as_str()))
    }

    /// Whether a person wanted the run that it names in [`RunOrigin::after`] once more: nothing is skipped then because nothing
    /// has changed.
    pub fn repeats(&self) -> bool {
        self.after.is_some() && self.key.kind != EventKind::Pipeline.as_str()
    }
}

/// How many deliveries are given out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// Of so many repositories. What is of none counts as one.
    pub lanes: u32,
    /// Of each of them so many.
    pub each: u32,
}

impl Most {
    /// So many, of so many repositories.
    pub fn of(count: u32) -> Self {
        Self { lanes: count, each: count }
    }

    /// Of all repositories together.
    pub fn all(self) -> u32 {
        self.lanes.saturating_mul(self.each)
    }

    /// Of deliveries that could be given out, in their order, those that are. Of a repository none is passed over.
    pub fn chosen<T>(self, found: Vec<T>, lane: impl Fn(&T) -> (TenantId, Option<RepositoryId>)) -> Vec<T> {
        let (mut lanes, mut chosen) = (BTreeMap::new(), Vec::new());
        let mut taken = 0;
        for one in found {
            let (lane, mut alone) = (lane(&one), 0);
            let of_lane = if lane.1.is_some() { lanes.entry(lane).or_insert(0) } else { &mut alone };
            if *of_lane == 0 && taken < self.lanes {
                taken += 1;
            } else if *of_lane == 0 || *of_lane == self.each {
                continue;
            }
            *of_lane += 1;
            chosen.push(one);
        }
        chosen
    }
}

/// Something that a forge is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingStatus {
    /// In order, over all tenants.
    pub number: u64,
    /// Whose.
    pub tenant: TenantId,
    /// In which repository.
    pub repository: RepositoryId,
    /// The commit.
    pub revision: Revision,
    /// Under which name the forge shows it.
    pub context: String,
    /// What.
    pub what: Telling,
    /// How often it was tried in vain.
    pub attempts: u32,
}

/// What a forge is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Telling {
    /// Where a run stands.
    Run {
        /// Which.
        run: RunId,
        /// Its number.
        number: u64,
        /// Where it stands.
        status: RunStatus,
    },
    /// Something that has no run.
    Fixed(StatusReport),
}

/// What came from outside and what goes back: deliveries, heads of refs, the keys of runs, and statuses for forges. It shares
/// its transactions with the [`Store`](crate::Store); every method is one, and every row carries its tenant.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Stores a delivery under (webhook, key), and places its move in the history of its ref. One that stands already is
    /// answered like the first, and nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Storage`]; then nothing is stored.
    async fn receive(&self, tenant: &TenantId, new: NewDelivery) -> Result<Received, StoreError>;

    /// Deliveries, newest first.
    async fn deliveries(
        &self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// One delivery.
    async fn delivery(&self, tenant: &TenantId, id: &ReceiptId) -> Result<Option<Delivery>, StoreError>;

    /// Its bytes as they came.
    async fn body(&self, tenant: &TenantId, id: &ReceiptId) -> Result<Option<Vec<u8>>, StoreError>;

    /// Gives out deliveries of which nothing became yet, oldest first: those that are due at `now` and whose claim, if there
    /// was one, has ended. While an older one of the same repository is claimed or not due yet, none of it is given out, so
    /// that moves are taken in in the order in which they came. Nothing is given out of the tenant `except`.
    async fn take_up(
        &self,
        now: u64,
        until: u64,
        most: Most,
        except: Option<&TenantId>,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// Ends the claims of this engine, so that what it had is given out at once. Whoever calls this works on none of it any
    /// more: it begins, or it ends.
    ///
    /// Where one engine at a time works on the database, these are all claims, those of an engine that died among them. Where
    /// several share it, these are the claims of this handle and its clones; those of another engine end with their time,
    /// or soon after it has died.
    async fn forget_claims(&self) -> Result<(), StoreError>;

    /// Writes down what became of deliveries of one repository, in their order, and makes their runs; answers those of each in
    /// their order. All of it is there afterwards, or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when a claim is not the newest, or something became of it already, and those of
    /// [`Inbox::admit`]; then nothing is written.
    async fn settle_all(
        &self,
        tenant: &TenantId,
        settlements: &[(Claimant, Settlement)],
    ) -> Result<Vec<Vec<Admitted>>, StoreError>;

    /// Writes down what became of one delivery, and makes its runs; answers them in their order.
    ///
    /// # Errors
    /// Those of [`Inbox::settle_all`].
    async fn settle(&self, claimant: &Claimant, settlement: Settlement) -> Result<Vec<Admitted>, StoreError> {
        let one = [(claimant.clone(), settlement)];
        Ok(self.settle_all(&claimant.tenant, &one).await?.into_iter().flatten().collect())
    }

    /// Puts a delivery off: it is due again at `due`.
    ///
    /// # Errors
    /// Those of [`Inbox::settle`].
    async fn postpone(&self, claimant: &Claimant, due: u64, trouble: &str) -> Result<(), StoreError>;

    /// Lets a delivery be taken in once more. Its move keeps its generation, so what it started already is not started again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] while it is open.
    async fn reopen(&self, tenant: &TenantId, id: &ReceiptId) -> Result<(), StoreError>;

    /// Makes a run, its origin and, where the forge is told, its status, unless a run stands under the key. Older runs of its
    /// concurrency group that give way to it are asked to end ([`Queue`](crate::Queue)).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id of the run stands under another key.
    async fn admit(&self, tenant: &TenantId, admission: Admission) -> Result<Admitted, StoreError>;

    /// Where a run came from; none for one that a person started on this machine.
    async fn origin(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunOrigin>, StoreError>;

    /// The head of one ref as it was told, or found by a fetch since; none if neither, or it is gone.
    async fn head(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
        reference: &Reference,
    ) -> Result<Option<Revision>, StoreError>;

    /// The heads of the refs of a repository as they were told last, without those that are gone.
    async fn heads(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
    ) -> Result<BTreeMap<Reference, Revision>, StoreError>;

    /// Runs that have ended, that other pipelines wait for, and that are not [`Inbox::followed`] yet; oldest first.
    async fn unfollowed(&self, max: u32) -> Result<Vec<(TenantId, RunOrigin)>, StoreError>;

    /// What follows from the end of a run is durable.
    async fn followed(&self, tenant: &TenantId, run: &RunId) -> Result<(), StoreError>;

    /// Statuses that forges are to be told and that are due at `now`, oldest first. A run is told when it was made and when
    /// it has ended. Of one (repository, commit, context) only the newest counts.
    async fn pending(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>, StoreError>;

    /// The forge was told.
    async fn told(&self, pending: &PendingStatus) -> Result<(), StoreError>;

    /// The forge could not be told; it is tried again at `due`, or never.
    async fn untold(&self, pending: &PendingStatus, due: Option<u64>) -> Result<(), StoreError>;
}
