use super::{Answer, Handle, reading, writing};
use async_trait::async_trait;
use stageway_core::delivery::{Reference, Revision};
use stageway_core::name::{ReceiptId, RepositoryId, RunId, TenantId};
use stageway_ports::{
    Admission, Admitted, Claimant, Claimed, Delivery, DeliveryFilter, Inbox, Most, NewDelivery,
    PendingStatus, Received, RunOrigin, Settlement,
};
use std::collections::BTreeMap;

#[async_trait]
impl Inbox for Handle {
    async fn receive(&self, tenant: &TenantId, new: NewDelivery) -> Answer<Received> {
        writing!(self, tenant, receive(&new))
    }

    async fn deliveries(&self, tenant: &TenantId, filter: &DeliveryFilter) -> Answer<Vec<Delivery>> {
        reading!(self, tenant, deliveries(filter))
    }

    async fn delivery(&self, tenant: &TenantId, id: &ReceiptId) -> Answer<Option<Delivery>> {
        reading!(self, tenant, delivery(id))
    }

    async fn body(&self, tenant: &TenantId, id: &ReceiptId) -> Answer<Option<Vec<u8>>> {
        reading!(self, tenant, body(id))
    }

    async fn take_up(
        &self,
        now: u64,
        until: u64,
        most: Most,
        except: Option<&TenantId>,
    ) -> Answer<Vec<Claimed>> {
        self.port(self.claim_open(now, until, most, except).await)
    }

    async fn forget_claims(&self) -> Answer<()> {
        self.port(self.end_claims().await)
    }

    async fn settle_all(
        &self,
        tenant: &TenantId,
        settlements: &[(Claimant, Settlement)],
    ) -> Answer<Vec<Vec<Admitted>>> {
        writing!(self, tenant, settle_all(settlements))
    }

    async fn postpone(&self, claimant: &Claimant, due: u64, trouble: &str) -> Answer<()> {
        writing!(self, &claimant.tenant, postpone(claimant, due, trouble))
    }

    async fn reopen(&self, tenant: &TenantId, id: &ReceiptId) -> Answer<()> {
        writing!(self, tenant, reopen(id))
    }

    async fn admit(&self, tenant: &TenantId, admission: Admission) -> Answer<Admitted> {
        writing!(self, tenant, admit(&admission))
    }

    async fn origin(&self, tenant: &TenantId, run: &RunId) -> Answer<Option<RunOrigin>> {
        reading!(self, tenant, origin(run))
    }

    async fn head(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
        reference: &Reference,
    ) -> Answer<Option<Revision>> {
        reading!(self, tenant, head(repository, reference))
    }

    async fn heads(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
    ) -> Answer<BTreeMap<Reference, Revision>> {
        reading!(self, tenant, heads(repository))
    }

    async fn unfollowed(&self, max: u32) -> Answer<Vec<(TenantId, RunOrigin)>> {
        self.port(self.unfollowed_runs(max).await)
    }

    async fn followed(&self, tenant: &TenantId, run: &RunId) -> Answer<()> {
        writing!(self, tenant, followed(run))
    }

    async fn pending(&self, now: u64, max: u32) -> Answer<Vec<PendingStatus>> {
        self.port(self.pending_statuses(now, max).await)
    }

    async fn told(&self, pending: &PendingStatus) -> Answer<()> {
        writing!(self, &pending.tenant, told(pending))
    }

    async fn untold(&self, pending: &PendingStatus, due: Option<u64>) -> Answer<()> {
        writing!(self, &pending.tenant, untold(pending, due))
    }
}
