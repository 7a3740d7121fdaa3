use super::MemoryStore;
use crate::{
    Approval, ApprovalAnswer, Batch, Candidate, Claim, ClaimAnswer, Lease, NewProof, NewRun, Release,
    RunFilter, RunRecord, RunSummary, Store, StoreError, StoredLine, Writer,
};
use async_trait::async_trait;
use stageway_core::digest::Digest;
use stageway_core::journal::Record;
use stageway_core::log::Report;
use stageway_core::name::{EnvironmentName, PipelineName, RunId, StageName, TenantId};
use std::time::Duration;

fn candidate((run, proof): &(RunId, NewProof)) -> Candidate {
    Candidate {
        run: run.clone(),
        stage: proof.stage.clone(),
        attempt: proof.attempt,
        compared: proof.compared.clone(),
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_run(&self, tenant: &TenantId, run: NewRun) -> Result<u64, StoreError> {
        self.write(tenant, |tenant| tenant.create(run)).await
    }

    async fn run(&self, tenant: &TenantId, run: &RunId) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.record(run)).await)
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Result<Vec<RunSummary>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.summaries(filter)).await)
    }

    async fn lease(
        &self,
        tenant: &TenantId,
        run: &RunId,
        holder: &str,
        now: u64,
        until: u64,
        force: bool,
    ) -> Result<Option<Lease>, StoreError> {
        self.write(tenant, |tenant| tenant.lease(run, holder, now, until, force)).await
    }

    async fn rest(&self, writer: &Writer, rests: bool) -> Result<(), StoreError> {
        self.write(&writer.tenant, |tenant| tenant.rest(writer, rests)).await
    }

    async fn renew(&self, writer: &Writer, until: u64) -> Result<(), StoreError> {
        self.write(&writer.tenant, |tenant| tenant.renew(writer, until)).await
    }

    async fn append(&self, writer: &Writer, batch: Batch) -> Result<u64, StoreError> {
        self.write(&writer.tenant, |tenant| tenant.append(writer, batch)).await
    }

    async fn journal(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let key = (stage.clone(), attempt);
        self.read(tenant, |tenant| {
            let records = tenant.run(run)?.records.get(&key);
            Ok(records.into_iter().flat_map(|records| records.values().cloned()).collect())
        })
        .await
    }

    async fn lines(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: Option<&StageName>,
        after: u64,
        max: u32,
    ) -> Result<Vec<StoredLine>, StoreError> {
        let wanted = |line: &&StoredLine| {
            line.number > after && (stage.is_none() || line.line.stage.as_ref() == stage)
        };
        self.read(tenant, |tenant| {
            let lines = tenant.run(run)?.lines.iter().filter(wanted);
            Ok(lines.take(max as usize).cloned().collect())
        })
        .await
    }

    async fn reports(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<Report>, StoreError> {
        self.read(tenant, |tenant| {
            let reports = tenant.run(run)?.reports.iter();
            Ok(reports.filter(|(_, struck)| !struck).map(|(report, _)| report.clone()).collect())
        })
        .await
    }

    async fn candidates(
        &self,
        tenant: &TenantId,
        key: &Digest,
        trust: u8,
        max: u32,
    ) -> Result<Vec<Candidate>, StoreError> {
        let counts = |(_, proof): &&(RunId, NewProof)| proof.key == *key && proof.trust >= trust;
        Ok(self
            .read(tenant, |tenant| {
                tenant.proofs.iter().rev().filter(counts).take(max as usize).map(candidate).collect()
            })
            .await)
    }

    async fn newest_proof(
        &self,
        tenant: &TenantId,
        pipeline: &PipelineName,
        stage: &StageName,
    ) -> Result<Option<Candidate>, StoreError> {
        Ok(self
            .read(tenant, |tenant| {
                let of = |run| tenant.runs.get(run).is_some_and(|run| run.pipeline == *pipeline);
                let mut proofs = tenant.proofs.iter().rev();
                proofs.find(|(run, proof)| proof.stage == *stage && of(run)).map(candidate)
            })
            .await)
    }

    async fn claim(&self, writer: &Writer, claim: &Claim) -> Result<ClaimAnswer, StoreError> {
        self.write(&writer.tenant, |tenant| tenant.claim(writer, claim)).await
    }

    async fn releases(
        &self,
        tenant: &TenantId,
        environment: &EnvironmentName,
        max: u32,
    ) -> Result<Vec<Release>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.releases(environment, max)).await)
    }

    async fn release(
        &self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: Release,
    ) -> Result<(), StoreError> {
        self.write(&writer.tenant, |tenant| tenant.release(writer, environment, release)).await
    }

    async fn judge(
        &self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &str,
        verdict: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.write(&writer.tenant, |tenant| tenant.judge(writer, environment, release, verdict, reason)).await
    }

    async fn ask(&self, writer: &Writer, approval: Approval) -> Result<(), StoreError> {
        self.write(&writer.tenant, |tenant| tenant.ask(writer, approval)).await
    }

    async fn approvals(&self, tenant: &TenantId, run: &RunId) -> Result<Vec<Approval>, StoreError> {
        self.read(tenant, |tenant| Ok(tenant.run(run)?.approvals.clone())).await
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        answer: ApprovalAnswer,
    ) -> Result<(), StoreError> {
        self.write(tenant, |tenant| tenant.answer(run, stage, answer)).await
    }

    async fn request_cancel(
        &self,
        tenant: &TenantId,
        run: &RunId,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Result<(), StoreError> {
        self.write(tenant, |tenant| tenant.request_cancel(run, by, reason, at)).await
    }

    async fn cancel_request(
        &self,
        tenant: &TenantId,
        run: &RunId,
    ) -> Result<Option<(String, String, u64)>, StoreError> {
        self.read(tenant, |tenant| Ok(tenant.run(run)?.cancel.clone())).await
    }

    async fn changed(&self, tenant: &TenantId, since: u64, within: Duration) -> u64 {
        let mut changes = self.data.changes.subscribe();
        let grown = async {
            loop {
                let count = self.read(tenant, |tenant| tenant.changes).await;
                // The sender lives as long as `self`, so `changed` fails never.
                if count > since || changes.changed().await.is_err() {
                    return count;
                }
            }
        };
        match tokio::time::timeout(within, grown).await {
            Ok(count) => count,
            Err(_) => self.read(tenant, |tenant| tenant.changes).await,
        }
    }
}
