//! From a stored delivery to its runs: what it means, what git says of it, and which pipelines it starts.
//!
//! Everything here may be done again: a run is made once by its key, and what became of a delivery is written with what the
//! forge is told of it. A forge or repository that does not answer puts a delivery off; a pipeline file with errors does not.

mod again;
mod beside;
mod event;
mod heads;
mod lanes;
mod looked_up;
mod occasion;
mod pipelines;
mod preflight;
mod start;

use crate::service::{Ids, Place, Site, Wake};
use crate::trees::Trees;
use heads::Heads;
use lanes::Lane;
pub(crate) use pipelines::files;
use pipelines::{About, Asked};
use stageway_core::delivery::{Headers, Meaning, Occasion, RawDelivery};
use stageway_core::name::WebhookId;
use stageway_ports::{
    Blobs, Claimed, Clock, Delivery, Guests, Inbox, Mirror, Mirrors, Outcome, Plugins, Settlement,
    SourceError, Store, StoreError,
};
use start::Start;
use std::sync::Arc;
use thiserror::Error;

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
    /// What runs were made with, at hand.
    pub trees: Arc<Trees>,
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
    async fn take_in(&self, claimed: &Claimed, lane: &Lane<'_>) -> Result<Settlement, Trouble> {
        let delivery = &claimed.delivery;
        let repository = delivery.repository.as_ref();
        let Some(place) = repository.and_then(|id| self.site.place(&claimed.tenant, id)) else {
            return Ok(self.settled("the repository is not registered any more".into()));
        };
        let Some(body) = self.inbox.body(&claimed.tenant, &delivery.id).await? else {
            return Ok(self.settled("its bytes are gone".into()));
        };
        if delivery.webhook == WebhookId::own() {
            return self.occasion(claimed, place, &body, lane).await;
        }
        match meaning(delivery, place, body) {
            Ok(meaning) => match looked_up::of(&meaning) {
                Some(pull) => self.look_up(claimed, pull).await,
                None => self.starts(claimed, place, start::of(&meaning, &claimed.moves), lane).await,
            },
            Err(problem) => Ok(self.settled(problem)),
        }
    }

    /// Everything that a delivery starts, one ref after the other.
    async fn starts(
        &self,
        claimed: &Claimed,
        place: &Place,
        starts: Vec<Start>,
        lane: &Lane<'_>,
    ) -> Result<Settlement, Trouble> {
        let repository = claimed.delivery.repository.clone();
        let Some(repository) = repository else { return Ok(self.settled("it names no repository".into())) };
        let Some(rules) = self.site.tenants.get(&claimed.tenant) else {
            return Ok(self.settled("the tenant is not registered any more".into()));
        };
        let mirror = self.mirrors.open(&claimed.tenant, &repository).await?;
        let at_hand = self.at_hand((claimed, &repository, place), &*mirror, &starts).await?;
        let heads = match &at_hand {
            Some(heads) => heads,
            None => lane.fetched.get_or_try_init(|| self.fetch(lane, place, &*mirror)).await?,
        };
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
                heads,
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

    /// What all deliveries of a lane need: each was received before this fetch begins.
    async fn fetch(&self, lane: &Lane<'_>, place: &Place, mirror: &dyn Mirror) -> Result<Heads, Trouble> {
        let mut wanted = Vec::new();
        for claimed in lane.claimed {
            wanted.extend(self.starts_of(claimed, place).await?);
        }
        Ok(heads::fetch(mirror, place, &wanted).await?)
    }

    /// What a delivery of a forge starts.
    async fn starts_of(&self, claimed: &Claimed, place: &Place) -> Result<Vec<Start>, Trouble> {
        let Claimed { tenant, delivery, moves, .. } = claimed;
        let Some(body) = self.inbox.body(tenant, &delivery.id).await? else { return Ok(Vec::new()) };
        if delivery.webhook == WebhookId::own() {
            return match serde_json::from_slice(&body) {
                Ok(Occasion::PullRequest { delivery }) => {
                    Ok(self.found_starts(claimed, place, &delivery).await?.unwrap_or_default())
                }
                _ => Ok(start::found(moves)),
            };
        }
        Ok(meaning(delivery, place, body).map_or_else(|_| Vec::new(), |meaning| start::of(&meaning, moves)))
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

/// What a delivery of a forge says; otherwise why that cannot be told.
fn meaning(delivery: &Delivery, place: &Place, body: Vec<u8>) -> Result<Meaning, String> {
    let headers = delivery.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers = Headers::new(headers).map_err(|_| "its headers are over their limits")?;
    place.forge.read(&RawDelivery { headers, body: body.into() }).map_err(|problem| problem.to_string())
}
