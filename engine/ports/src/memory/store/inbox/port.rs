use super::super::MemoryStore;
use crate::{
    Admission, Admitted, Claimant, Claimed, Delivery, DeliveryFilter, Inbox, Most, NewDelivery,
    PendingStatus, Received, RunOrigin, Settlement, StoreError,
};
use async_trait::async_trait;
use stageway_core::delivery::{Reference, Revision};
use stageway_core::name::{ReceiptId, RepositoryId, RunId, TenantId};
use std::collections::BTreeMap;

#[async_trait]
impl Inbox for MemoryStore {
    async fn receive(&self, tenant: &TenantId, new: NewDelivery) -> Result<Received, StoreError> {
        let number = self.next_number();
        self.write(tenant, |tenant| {
            let received = tenant.letters.receive(number, new);
            tenant.changes += u64::from(received.first);
            Ok(received)
        })
        .await
    }

    async fn deliveries(
        &self,
        tenant: &TenantId,
        filter: &DeliveryFilter,
    ) -> Result<Vec<Delivery>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.letters.list(filter)).await)
    }

    async fn delivery(&self, tenant: &TenantId, id: &ReceiptId) -> Result<Option<Delivery>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.letters.delivery(id)).await)
    }

    async fn body(&self, tenant: &TenantId, id: &ReceiptId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.letters.body(id)).await)
    }

    async fn take_up(
        &self,
        now: u64,
        until: u64,
        most: Most,
        except: Option<&TenantId>,
    ) -> Result<Vec<Claimed>, StoreError> {
        self.everywhere(|tenants| {
            let mut open: Vec<(u64, TenantId, Option<RepositoryId>)> = Vec::new();
            for (name, tenant) in tenants.iter().filter(|(name, _)| Some(*name) != except) {
                let found = tenant.letters.open(now).into_iter();
                open.extend(found.map(|(number, repository)| (number, name.clone(), repository)));
            }
            open.sort();
            let chosen = most.chosen(open, |(_, name, repository)| (name.clone(), repository.clone()));
            let claim = |(number, name, _): (u64, TenantId, Option<RepositoryId>)| {
                tenants.get_mut(&name)?.letters.claim(&name, number, until)
            };
            chosen.into_iter().filter_map(claim).collect()
        })
        .await
    }

    async fn forget_claims(&self) -> Result<(), StoreError> {
        self.everywhere(|tenants| {
            tenants.values_mut().for_each(|tenant| tenant.letters.forget_claims());
        })
        .await
    }

    async fn settle_all(
        &self,
        tenant: &TenantId,
        settlements: &[(Claimant, Settlement)],
    ) -> Result<Vec<Vec<Admitted>>, StoreError> {
        self.write(tenant, |tenant| {
            for (claimant, settlement) in settlements {
                tenant.letters.held(claimant)?;
                tenant.letters.admits(&settlement.runs)?;
            }
            let mut all = Vec::with_capacity(settlements.len());
            for (claimant, settlement) in settlements {
                let mut settlement = settlement.clone();
                let runs = std::mem::take(&mut settlement.runs).into_iter();
                let admitted = runs.map(|run| tenant.admit(self.next_number(), run));
                let admitted: Vec<Admitted> = admitted.collect::<Result<_, _>>()?;
                settlement.outcome.runs.extend(admitted.iter().map(|admitted| admitted.run.clone()));
                tenant.letters.settle(claimant, &settlement)?;
                for status in settlement.statuses {
                    tenant.tell(self.next_number(), status);
                }
                all.push(admitted);
            }
            tenant.changes += 1;
            Ok(all)
        })
        .await
    }

    async fn postpone(&self, claimant: &Claimant, due: u64, trouble: &str) -> Result<(), StoreError> {
        self.write(&claimant.tenant, |tenant| {
            tenant.letters.postpone(claimant, due, trouble)?;
            tenant.changes += 1;
            Ok(())
        })
        .await
    }

    async fn reopen(&self, tenant: &TenantId, id: &ReceiptId) -> Result<(), StoreError> {
        self.write(tenant, |tenant| {
            tenant.letters.reopen(id)?;
            tenant.changes += 1;
            Ok(())
        })
        .await
    }

    async fn admit(&self, tenant: &TenantId, admission: Admission) -> Result<Admitted, StoreError> {
        let number = self.next_number();
        self.write(tenant, |tenant| tenant.admit(number, admission)).await
    }

    async fn origin(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunOrigin>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.origin(run)).await)
    }

    async fn head(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
        reference: &Reference,
    ) -> Result<Option<Revision>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.letters.head(repository, reference)).await)
    }

    async fn heads(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
    ) -> Result<BTreeMap<Reference, Revision>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.letters.known(repository)).await)
    }

    async fn unfollowed(&self, max: u32) -> Result<Vec<(TenantId, RunOrigin)>, StoreError> {
        self.everywhere(|tenants| {
            let all = tenants.iter().flat_map(|(name, tenant)| {
                tenant.unfollowed().into_iter().map(|origin| (name.clone(), origin))
            });
            all.take(max as usize).collect()
        })
        .await
    }

    async fn followed(&self, tenant: &TenantId, run: &RunId) -> Result<(), StoreError> {
        self.write(tenant, |tenant| {
            tenant.followed(run);
            Ok(())
        })
        .await
    }

    async fn pending(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>, StoreError> {
        self.everywhere(|tenants| {
            let mut pending: Vec<_> =
                tenants.iter().flat_map(|(name, tenant)| tenant.pending(name, now)).collect();
            pending.sort_by_key(|pending| pending.number);
            pending.truncate(max as usize);
            pending
        })
        .await
    }

    async fn told(&self, pending: &PendingStatus) -> Result<(), StoreError> {
        self.write(&pending.tenant, |tenant| {
            tenant.told(pending);
            Ok(())
        })
        .await
    }

    async fn untold(&self, pending: &PendingStatus, due: Option<u64>) -> Result<(), StoreError> {
        self.write(&pending.tenant, |tenant| {
            tenant.untold(pending, due);
            Ok(())
        })
        .await
    }
}
