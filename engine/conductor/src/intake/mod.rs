//! From a stored delivery to its runs: what it means, what git says of it, and which pipelines it starts.
//!
//! Everything here may be done again: a run is made once by its key, and what became of a delivery is written with what the
//! forge is told of it. A forge or repository that does not answer puts a delivery off; a pipeline file with errors does not.

mod again;
mod event;
mod heads;
mod occasion;
mod pipelines;
mod preflight;
mod start;

use crate::service::{Ids, Place, Site, Wake};
use futures::stream::{FuturesUnordered, StreamExt as _};
pub(crate) use pipelines::files;
use pipelines::{About, Asked};
use stageway_core::delivery::{Headers, RawDelivery};
use stageway_core::name::WebhookId;
use stageway_core::plan::Backoff;
use stageway_ports::{
    Blobs, Claimant, Claimed, Clock, Guests, Inbox, Mirrors, Outcome, Plugins, Settlement, SourceError,
    Store, StoreError,
};
use start::Start;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Lanes that are taken in at the same time: repositories, and deliveries without one.
const AT_ONCE: usize = 8;
/// Without anybody waking us; what was put off, and what another left, is due again then.
const LOOK: Duration = Duration::from_secs(2);
/// How long a claim lasts. A first fetch may take as long as it takes; whoever claims the delivery then finds the runs.
const CLAIM_MS: u64 = 1_200_000;
/// Between tries to give back what the store broke off.
const AGAIN: Duration = Duration::from_secs(1);
/// Between failed tries.
const PAUSE: Backoff = Backoff { first_ms: 1_000, most_ms: 300_000 };
/// Why those after it wait.
const BEHIND: &str = "an earlier delivery of the repository is put off";
/// After so many tries, some two hours, the delivery is given up; it can be opened again.
const MOST_TRIES: u32 = 30;

/// Takes deliveries in.
pub struct Intake {
    /// What the operator registered.
    pub site: Arc<Site>,
    /// Where deliveries are.
    pub inbox: Arc<dyn Inbox>,
    /// Where runs are.
    pub store: Arc<dyn Store>,
    /// Repositories.
    pub mirrors: Arc<dyn Mirrors>,
    /// Where plugins come from.
    pub plugins: Arc<dyn Plugins>,
    /// Asks plugins about their configurations.
    pub guests: Arc<dyn Guests>,
    /// Keeps what a run needs.
    pub blobs: Arc<dyn Blobs>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes the ids of runs, in order of time.
    pub ids: Ids,
    /// Who wakes us, and whom we wake.
    pub wake: Arc<Wake>,
}

/// Why a delivery was not taken in now.
#[derive(Debug, Error)]
enum Trouble {
    /// It may be another time.
    #[error("{0}")]
    Later(String),
    /// Our own memory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Later(error.to_string())
    }
}

impl Intake {
    /// Works until it is dropped; what was not finished then is given out again when its claim ends.
    pub async fn work(&self) {
        let mut lanes = FuturesUnordered::new();
        // What was claimed by a call whose answer was lost is known to nobody here.
        let mut has_lost = false;
        loop {
            if has_lost && lanes.is_empty() {
                has_lost = self.inbox.forget_claims().await.is_err();
            }
            // A repository with many deliveries keeps nobody waiting: while its lane is taken in, others are taken up.
            let free = if has_lost { 0 } else { AT_ONCE.saturating_sub(lanes.len()) };
            let mut taking = pin!(self.take_up(free));
            // A lane that stood still meanwhile could stand in our way in the store.
            let taken = loop {
                tokio::select! {
                    taken = &mut taking => break taken,
                    Some(()) = lanes.next() => {}
                }
            };
            match taken {
                Ok(taken) if !taken.is_empty() => {
                    lanes.extend(taken.into_iter().map(|lane| self.lane(lane)));
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    has_lost = true;
                    tracing::error!(%error, "deliveries cannot be taken in");
                }
            }
            tokio::select! {
                Some(()) = lanes.next() => {}
                _ = tokio::time::timeout(LOOK, self.wake.intake.notified()) => {}
            }
        }
    }

    /// Claims at most so many deliveries that are due, by lane.
    async fn take_up(&self, most: usize) -> Result<Vec<Vec<Claimed>>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let (now, most) = (self.clock.now_ms(), u32::try_from(most).unwrap_or(u32::MAX));
        let mut lanes: BTreeMap<_, Vec<Claimed>> = BTreeMap::new();
        for one in self.inbox.take_up(now, now + CLAIM_MS, most).await? {
            lanes.entry((one.tenant.clone(), one.delivery.repository.clone())).or_default().push(one);
        }
        Ok(lanes.into_values().collect())
    }

    /// The deliveries of one repository, in order: when one is put off, so are those after it.
    async fn lane(&self, lane: Vec<Claimed>) {
        let mut put_off = None;
        for claimed in lane {
            let done = match put_off {
                Some(due) => self.inbox.postpone(&claimant(&claimed), due, BEHIND).await,
                None => self.one(&claimed, &mut put_off).await,
            };
            if let Err(error) = done {
                let delivery = &claimed.delivery.id;
                tracing::error!(delivery.id = %delivery, %error, "it cannot be noted what became of a delivery");
                put_off = self.give_back(&claimed, &error).await.or(put_off);
            }
        }
    }

    /// Gives a delivery back that the store broke off, as soon as the store answers: it would stay claimed, and hold up those
    /// after it. Answers until when those are put off too; none where it is not ours any more, or settled after all.
    async fn give_back(&self, claimed: &Claimed, error: &StoreError) -> Option<u64> {
        let trouble = format!("the store broke it off: {error}");
        let until = self.clock.now_ms().saturating_add(CLAIM_MS);
        while self.clock.now_ms() < until {
            let due = self.clock.now_ms() + PAUSE.after(claimed.delivery.attempts);
            match self.inbox.postpone(&claimant(claimed), due, &trouble).await {
                Ok(()) => return Some(due),
                Err(StoreError::Storage(_)) => tokio::time::sleep(AGAIN).await,
                Err(_) => return None,
            }
        }
        None
    }

    async fn one(&self, claimed: &Claimed, put_off: &mut Option<u64>) -> Result<(), StoreError> {
        let claimant = claimant(claimed);
        match self.take_in(claimed).await {
            Ok(settlement) => {
                self.inbox.settle(&claimant, settlement).await?;
                self.wake.scheduler.notify_one();
                self.wake.reporter.notify_one();
                if let Some(repository) =
                    claimed.delivery.repository.as_ref().filter(|_| self.moves_default(claimed))
                {
                    self.wake.default_moved(&claimed.tenant, repository);
                }
                Ok(())
            }
            Err(Trouble::Store(error)) => Err(error),
            Err(Trouble::Later(trouble)) if claimed.delivery.attempts >= MOST_TRIES => {
                let summary = format!("given up after {MOST_TRIES} tries: {trouble}");
                self.inbox.settle(&claimant, self.settled(summary)).await
            }
            Err(Trouble::Later(trouble)) => {
                let due = self.clock.now_ms() + PAUSE.after(claimed.delivery.attempts);
                tracing::warn!(delivery.id = %claimed.delivery.id, %trouble, "a delivery is put off");
                self.inbox.postpone(&claimant, due, &trouble).await?;
                *put_off = Some(due);
                Ok(())
            }
        }
    }

    async fn take_in(&self, claimed: &Claimed) -> Result<Settlement, Trouble> {
        let delivery = &claimed.delivery;
        let repository = delivery.repository.as_ref();
        let Some(place) = repository.and_then(|id| self.site.place(&claimed.tenant, id)) else {
            return Ok(self.settled("the repository is not registered any more".into()));
        };
        let Some(body) = self.inbox.body(&claimed.tenant, &delivery.id).await? else {
            return Ok(self.settled("its bytes are gone".into()));
        };
        if delivery.webhook == WebhookId::own() {
            return self.occasion(claimed, place, &body).await;
        }
        let headers = delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let Ok(headers) = Headers::new(headers) else {
            return Ok(self.settled("its headers are over their limits".into()));
        };
        match place.forge.read(&RawDelivery { headers, body: body.into() }) {
            Ok(meaning) => self.starts(claimed, place, start::of(&meaning, &claimed.moves)).await,
            Err(problem) => Ok(self.settled(problem.to_string())),
        }
    }

    /// Everything that a delivery starts, one ref after the other.
    async fn starts(
        &self,
        claimed: &Claimed,
        place: &Place,
        starts: Vec<Start>,
    ) -> Result<Settlement, Trouble> {
        let repository = claimed.delivery.repository.clone();
        let Some(repository) = repository else { return Ok(self.settled("it names no repository".into())) };
        let Some(rules) = self.site.tenants.get(&claimed.tenant) else {
            return Ok(self.settled("the tenant is not registered any more".into()));
        };
        let mirror = self.mirrors.open(&claimed.tenant, &repository).await?;
        let heads = heads::fetch(&*mirror, place, &starts).await?;
        let mut settlement = self.settled(String::new());
        let mut summaries = Vec::new();
        for start in starts {
            let (policy, mirror, asked) = (&rules.policy, &*mirror, &Asked::default());
            let about = About {
                claimed,
                repository: &repository,
                place,
                policy,
                mirror,
                heads: &heads,
                start: &start,
                asked,
            };
            summaries.push(format!(
                "{}: {}",
                start.moved.reference,
                self.start(&about, &mut settlement).await?
            ));
        }
        settlement.outcome.summary = summaries.join("; ");
        settlement.outcome.at = self.clock.now_ms();
        Ok(settlement)
    }

    /// Whether it tells of the default branch, whose files hold the schedules.
    fn moves_default(&self, claimed: &Claimed) -> bool {
        let place = claimed.delivery.repository.as_ref().and_then(|id| self.site.place(&claimed.tenant, id));
        let default = place.map(|place| place.repository.default_branch.as_str());
        claimed.moves.iter().any(|placed| placed.moved.reference.branch() == default && default.is_some())
    }

    fn settled(&self, summary: String) -> Settlement {
        let outcome = Outcome { at: self.clock.now_ms(), summary, ..Outcome::default() };
        Settlement { outcome, ..Settlement::default() }
    }
}

fn claimant(claimed: &Claimed) -> Claimant {
    Claimant { tenant: claimed.tenant.clone(), delivery: claimed.delivery.id.clone(), fence: claimed.fence }
}
