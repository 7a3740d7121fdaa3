//! Deliveries by repository: each is a lane of its own, in which they are taken in in the order in which they came.

use super::heads::Heads;
use super::{Intake, Trouble};
use futures::stream::{FuturesOrdered, FuturesUnordered, StreamExt as _};
use stageway_core::name::{RepositoryId, TenantId};
use stageway_core::plan::Backoff;
use stageway_ports::{Admitted, Claimant, Claimed, Most, Settlement, StoreError};
use std::collections::BTreeMap;
use std::pin::pin;
use std::slice;
use std::time::Duration;
use tokio::sync::{OnceCell, mpsc};

/// Lanes that are taken in at the same time: repositories, and deliveries without one; and the deliveries of one that are looked
/// into at the same time.
const AT_ONCE: usize = 8;
/// Deliveries of one lane that are taken up together. While some are looked into, those before them become durable.
const OF_LANE: u32 = 32;
/// Those of one tenant where there are others: a remote that keeps one tenant's lanes waiting holds up nobody else's.
const OF_ONE: usize = AT_ONCE / 2;
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

/// Whose deliveries, and of which repository.
type Key = (TenantId, Option<RepositoryId>);

/// What deliveries of one lane share while they are taken in.
pub(super) struct Lane<'a> {
    /// All of them.
    pub(super) claimed: &'a [Claimed],
    /// What one fetch found for all of them.
    pub(super) fetched: OnceCell<Heads>,
}

/// Lanes that are taken in now, by tenant.
#[derive(Debug, Default)]
struct Held(BTreeMap<TenantId, usize>);

impl Held {
    fn take(&mut self, tenant: &TenantId) {
        *self.0.entry(tenant.clone()).or_default() += 1;
    }

    fn give_back(&mut self, tenant: &TenantId) {
        if let Some(held) = self.0.get_mut(tenant) {
            *held -= 1;
        }
    }

    /// How many lanes more there may be, and of which tenant none.
    fn room(&self, of_one: usize) -> (usize, Option<&TenantId>) {
        let free = AT_ONCE.saturating_sub(self.0.values().sum());
        let most = self.0.values().filter(|held| **held < of_one).max().copied().unwrap_or_default();
        // Where something is free, no two have all that one may have.
        let full = self.0.iter().find(|(_, held)| **held >= of_one);
        (free.min(of_one - most), full.map(|(tenant, _)| tenant))
    }
}

impl Intake {
    /// Works until it is dropped; what was not finished then is given out again when its claim ends.
    pub async fn work(&self) {
        let of_one = if self.site.tenants.len() > 1 { OF_ONE } else { AT_ONCE };
        let (mut lanes, mut held) = (FuturesUnordered::new(), Held::default());
        // What was claimed by a call whose answer was lost is known to nobody here.
        let mut has_lost = false;
        loop {
            if has_lost && lanes.is_empty() {
                has_lost = self.inbox.forget_claims().await.is_err();
            }
            // A repository with many deliveries keeps nobody waiting: while its lane is taken in, others are taken up.
            let (most, except) = held.room(of_one);
            let except = except.cloned();
            let mut taking = pin!(self.take_up(if has_lost { 0 } else { most }, except.as_ref()));
            // A lane that stood still meanwhile could stand in our way in the store.
            let taken = loop {
                tokio::select! {
                    taken = &mut taking => break taken,
                    Some(tenant) = lanes.next() => held.give_back(&tenant),
                }
            };
            match taken {
                Ok(taken) if !taken.is_empty() => {
                    for ((tenant, _), lane) in taken {
                        held.take(&tenant);
                        lanes.push(async {
                            self.lane(lane).await;
                            tenant
                        });
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    has_lost = true;
                    tracing::error!(%error, "deliveries cannot be taken in");
                }
            }
            tokio::select! {
                Some(tenant) = lanes.next() => held.give_back(&tenant),
                _ = tokio::time::timeout(LOOK, self.wake.intake.notified()) => {}
            }
        }
    }

    /// Claims deliveries that are due, of at most so many lanes.
    async fn take_up(
        &self,
        most: usize,
        except: Option<&TenantId>,
    ) -> Result<BTreeMap<Key, Vec<Claimed>>, StoreError> {
        let mut lanes: BTreeMap<Key, Vec<Claimed>> = BTreeMap::new();
        if most == 0 {
            return Ok(lanes);
        }
        let most = Most { lanes: u32::try_from(most).unwrap_or(u32::MAX), each: OF_LANE };
        let now = self.clock.now_ms();
        for one in self.inbox.take_up(now, now + CLAIM_MS, most, except).await? {
            lanes.entry((one.tenant.clone(), one.delivery.repository.clone())).or_default().push(one);
        }
        Ok(lanes)
    }

    /// The deliveries of one repository. What becomes of each is found out beside the others, and becomes durable in their
    /// order: when one is put off, so are those after it.
    async fn lane(&self, claimed: Vec<Claimed>) {
        let lane = Lane { claimed: &claimed, fetched: OnceCell::new() };
        let (ready, mut waiting) = mpsc::channel(AT_ONCE);
        let find_out = async {
            let lane = &lane;
            let (mut found, mut left) = (FuturesOrdered::new(), lane.claimed.iter());
            loop {
                while found.len() < AT_ONCE
                    && let Some(one) = left.next()
                {
                    found.push_back(async move { (one, self.take_in(one, lane).await) });
                }
                let Some(one) = found.next().await else { break };
                // Whoever settles them takes them all.
                let _ = ready.send(one).await;
            }
            drop(ready);
        };
        let settle = async {
            let (mut some, mut put_off) = (Vec::new(), None);
            while waiting.recv_many(&mut some, AT_ONCE).await > 0 {
                self.settle_some(some.drain(..), &mut put_off).await;
            }
        };
        tokio::join!(find_out, settle);
    }

    /// Settles some in their order. What is known of those in a row becomes durable together.
    async fn settle_some<'c>(
        &self,
        some: impl Iterator<Item = (&'c Claimed, Result<Settlement, Trouble>)>,
        put_off: &mut Option<u64>,
    ) {
        let mut ready = Vec::new();
        for (one, taken) in some {
            match taken {
                Ok(settlement) => ready.push((one, settlement)),
                Err(Trouble::Later(trouble)) if one.delivery.attempts >= MOST_TRIES => {
                    let summary = format!("given up after {MOST_TRIES} tries: {trouble}");
                    ready.push((one, self.settled(summary)));
                }
                Err(trouble) => {
                    self.settle(std::mem::take(&mut ready), put_off).await;
                    self.put_off(one, trouble, put_off).await;
                }
            }
        }
        self.settle(ready, put_off).await;
    }

    /// Settles those in a row, or puts them off where one before them is put off.
    async fn settle(&self, ready: Vec<(&Claimed, Settlement)>, put_off: &mut Option<u64>) {
        let ready = ready.into_iter().map(|(one, settlement)| (one, (claimant(one), settlement)));
        let (of, settlements): (Vec<&Claimed>, Vec<_>) = ready.unzip();
        if of.len() > 1 && put_off.is_none() && self.settle_at_once(&of, &settlements).await.is_ok() {
            return;
        }
        // One of them may be another's by now: the others are not.
        for (one, settlement) in of.iter().zip(&settlements) {
            let settled = match put_off {
                Some(_) => Err(Trouble::Later(BEHIND.into())),
                None => {
                    self.settle_at_once(&[*one], slice::from_ref(settlement)).await.map_err(Trouble::Store)
                }
            };
            if let Err(trouble) = settled {
                self.put_off(one, trouble, put_off).await;
            }
        }
    }

    /// Settles all or none, and tells everybody.
    async fn settle_at_once(
        &self,
        of: &[&Claimed],
        settlements: &[(Claimant, Settlement)],
    ) -> Result<(), StoreError> {
        let Some(first) = of.first() else { return Ok(()) };
        let admitted = self.inbox.settle_all(&first.tenant, settlements).await?;
        of.iter().zip(admitted).for_each(|(one, admitted)| self.tell(one, admitted));
        Ok(())
    }

    /// A delivery is settled.
    fn tell(&self, claimed: &Claimed, admitted: Vec<Admitted>) {
        for Admitted { run, number, new } in admitted {
            tracing::info!(
                tenant.id = %claimed.tenant, run.id = %run, run.number = number, new, "a delivery has a run"
            );
        }
        self.wake.scheduler.notify_one();
        self.wake.reporter.notify_one();
        if let Some(repository) = claimed.delivery.repository.as_ref().filter(|_| self.moves_default(claimed))
        {
            self.wake.default_moved(&claimed.tenant, repository);
        }
    }

    /// Puts a delivery off, and those after it.
    async fn put_off(&self, claimed: &Claimed, trouble: Trouble, put_off: &mut Option<u64>) {
        let delivery = &claimed.delivery.id;
        let done = match (trouble, *put_off) {
            (_, Some(due)) => self.inbox.postpone(&claimant(claimed), due, BEHIND).await,
            (Trouble::Later(trouble), None) => {
                tracing::warn!(delivery.id = %delivery, %trouble, "a delivery is put off");
                let due = self.clock.now_ms() + PAUSE.after(claimed.delivery.attempts);
                let postponed = self.inbox.postpone(&claimant(claimed), due, &trouble).await;
                postponed.map(|()| *put_off = Some(due))
            }
            (Trouble::Store(error), None) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(delivery.id = %delivery, %error, "it cannot be noted what became of a delivery");
            *put_off = self.give_back(claimed, &error).await.or(*put_off);
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
}

fn claimant(claimed: &Claimed) -> Claimant {
    Claimant { tenant: claimed.tenant.clone(), delivery: claimed.delivery.id.clone(), fence: claimed.fence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_has_at_most_its_part_of_the_lanes() {
        let tenant = |name| TenantId::new(name).unwrap();
        let (one, two) = (tenant("one"), tenant("two"));
        let mut held = Held::default();
        assert_eq!(held.room(OF_ONE), (4, None));
        (0..3).for_each(|_| held.take(&one));
        assert_eq!(held.room(OF_ONE), (1, None), "whose they will be is not known");
        held.take(&one);
        assert_eq!(held.room(OF_ONE), (4, Some(&one)));
        (0..4).for_each(|_| held.take(&two));
        assert_eq!(held.room(OF_ONE).0, 0);
        held.give_back(&one);
        assert_eq!(held.room(OF_ONE), (1, Some(&two)));
        assert_eq!(Held::default().room(AT_ONCE), (8, None), "all of them where there is nobody else");
    }
}
