use super::{Kept, Letters};
use crate::{Claimant, Claimed, Delivery, DeliveryFilter, NewDelivery, Received, Settlement, StoreError};
use stageway_core::name::{ReceiptId, RepositoryId, TenantId};

fn no_delivery(id: &ReceiptId) -> StoreError {
    StoreError::NotFound(format!("delivery {id}"))
}

impl Letters {
    pub(super) fn receive(&mut self, number: u64, new: NewDelivery) -> Received {
        let same = |kept: &&Kept| kept.delivery.webhook == new.webhook && kept.delivery.key == new.key;
        if let Some(found) = self.deliveries.values().find(same) {
            return Received { id: found.delivery.id.clone(), first: false };
        }
        let mut moves = Vec::new();
        if let Some(repository) = &new.repository {
            for moved in new.moves {
                let (generation, known) = self.place(repository, &moved);
                moves.push((moved, generation, known));
            }
        }
        let delivery = Delivery {
            id: new.id.clone(),
            number,
            webhook: new.webhook,
            key: new.key,
            at: new.at,
            event: new.event,
            headers: new.headers,
            size: new.body.len() as u64,
            repository: new.repository,
            attempts: 0,
            trouble: None,
            outcome: new.outcome,
        };
        let kept = Kept { delivery, body: new.body, moves, due: 0, fence: 0, claimed_until: 0 };
        self.deliveries.insert(number, kept);
        Received { id: new.id, first: true }
    }

    pub(super) fn list(&self, filter: &DeliveryFilter) -> Vec<Delivery> {
        let below = self.deliveries.range(..filter.before.unwrap_or(u64::MAX)).rev();
        let deliveries = below.map(|(_, kept)| &kept.delivery);
        let wanted =
            deliveries.filter(|d| filter.webhook.as_ref().is_none_or(|webhook| *webhook == d.webhook));
        wanted.take(filter.max as usize).cloned().collect()
    }

    fn kept(&self, id: &ReceiptId) -> Option<&Kept> {
        self.deliveries.values().find(|kept| kept.delivery.id == *id)
    }

    fn kept_mut(&mut self, id: &ReceiptId) -> Result<&mut Kept, StoreError> {
        let found = self.deliveries.values_mut().find(|kept| kept.delivery.id == *id);
        found.ok_or_else(|| no_delivery(id))
    }

    pub(super) fn delivery(&self, id: &ReceiptId) -> Option<Delivery> {
        self.kept(id).map(|kept| kept.delivery.clone())
    }

    pub(super) fn body(&self, id: &ReceiptId) -> Option<Vec<u8>> {
        self.kept(id).map(|kept| kept.body.clone())
    }

    /// Numbers of what can be given out, and the repository of each.
    pub(super) fn open(&self, now: u64) -> Vec<(u64, Option<RepositoryId>)> {
        let mut blocked = Vec::new();
        let mut open = Vec::new();
        for (number, kept) in self.deliveries.iter().filter(|(_, kept)| kept.is_open()) {
            let lane = kept.delivery.repository.as_ref();
            if !kept.is_free(now) {
                blocked.extend(lane);
            } else if lane.is_none_or(|lane| !blocked.contains(&lane)) {
                open.push((*number, lane.cloned()));
            }
        }
        open
    }

    pub(super) fn claim(&mut self, tenant: &TenantId, number: u64, until: u64) -> Option<Claimed> {
        let kept = self.deliveries.get_mut(&number)?;
        kept.fence += 1;
        kept.delivery.attempts += 1;
        kept.claimed_until = until;
        let (delivery, fence, moves) = (kept.delivery.clone(), kept.fence, kept.moves.clone());
        let moves = match &delivery.repository {
            Some(repository) => moves.into_iter().map(|moved| self.resolve(repository, moved)).collect(),
            None => Vec::new(),
        };
        Some(Claimed { tenant: tenant.clone(), delivery, fence, moves })
    }

    pub(super) fn forget_claims(&mut self) {
        self.deliveries.values_mut().for_each(|kept| kept.claimed_until = 0);
    }

    pub(super) fn held(&mut self, claimant: &Claimant) -> Result<&mut Kept, StoreError> {
        let kept = self.kept_mut(&claimant.delivery)?;
        if kept.is_open() && kept.fence == claimant.fence {
            return Ok(kept);
        }
        Err(StoreError::Conflict(format!("delivery {} is taken in by another", claimant.delivery)))
    }

    /// Everything but the statuses.
    pub(super) fn settle(&mut self, claimant: &Claimant, settlement: &Settlement) -> Result<(), StoreError> {
        let kept = self.held(claimant)?;
        kept.delivery.outcome = Some(settlement.outcome.clone());
        kept.delivery.trouble = None;
        kept.claimed_until = 0;
        let (repository, moves) = (kept.delivery.repository.clone(), kept.moves.clone());
        let Some(repository) = repository else { return Ok(()) };
        for (moved, generation, _) in moves {
            if settlement.late.contains(&moved.reference) {
                self.late(&repository, &moved.reference, generation);
            }
        }
        for (reference, found) in &settlement.found {
            self.found(&repository, reference, found);
        }
        Ok(())
    }

    pub(super) fn postpone(
        &mut self,
        claimant: &Claimant,
        due: u64,
        trouble: &str,
    ) -> Result<(), StoreError> {
        let kept = self.held(claimant)?;
        kept.due = due;
        kept.claimed_until = 0;
        kept.delivery.trouble = Some(trouble.to_owned());
        Ok(())
    }

    pub(super) fn reopen(&mut self, id: &ReceiptId) -> Result<(), StoreError> {
        let kept = self.kept_mut(id)?;
        if kept.is_open() {
            return Err(StoreError::Conflict(format!("delivery {id} is still being taken in")));
        }
        kept.delivery.outcome = None;
        kept.delivery.attempts = 0;
        kept.due = 0;
        kept.claimed_until = 0;
        Ok(())
    }
}
