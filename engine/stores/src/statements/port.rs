use super::{Answer, Handle, reading, writing};
use crate::journal_body::{records_of, rows_of};
use crate::shared::LeaseWish;
use async_trait::async_trait;
use stageway_core::digest::Digest;
use stageway_core::journal::Record;
use stageway_core::log::Report;
use stageway_core::name::{EnvironmentName, PipelineName, RunId, StageName, TenantId};
use stageway_ports::{
    Approval, ApprovalAnswer, Batch, Candidate, Claim, ClaimAnswer, Lease, NewRun, Release, RunFilter,
    RunRecord, RunSummary, Store, StoredLine, Writer,
};
use std::time::Duration;

/// How long the last look of a wait may take.
const LAST_LOOK: Duration = Duration::from_secs(5);

#[async_trait]
impl Store for Handle {
    async fn create_run(&self, tenant: &TenantId, run: NewRun) -> Answer<u64> {
        writing!(self, tenant, create_run(&run))
    }

    async fn run(&self, tenant: &TenantId, run: &RunId) -> Answer<Option<RunRecord>> {
        reading!(self, tenant, run(run))
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Answer<Vec<RunSummary>> {
        reading!(self, tenant, runs(filter))
    }

    async fn lease(
        &self,
        tenant: &TenantId,
        run: &RunId,
        holder: &str,
        now: u64,
        until: u64,
        force: bool,
    ) -> Answer<Option<Lease>> {
        writing!(self, tenant, lease(LeaseWish { run, holder, now, until, force }))
    }

    async fn rest(&self, writer: &Writer, rests: bool) -> Answer<()> {
        writing!(self, &writer.tenant, rest(writer, rests))
    }

    async fn renew(&self, writer: &Writer, until: u64) -> Answer<()> {
        writing!(self, &writer.tenant, renew(writer, until))
    }

    async fn append(&self, writer: &Writer, mut batch: Batch) -> Answer<u64> {
        let rows = rows_of(std::mem::take(&mut batch.records), &*self.inner.blobs).await?;
        self.append_rows(writer, batch, rows).await
    }

    async fn journal(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Answer<Vec<Record>> {
        let bodies = reading!(self, tenant, journal(run, stage, attempt))?;
        records_of(&bodies, &*self.inner.blobs).await
    }

    async fn lines(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: Option<&StageName>,
        after: u64,
        max: u32,
    ) -> Answer<Vec<StoredLine>> {
        reading!(self, tenant, lines(run, stage, after, max))
    }

    async fn reports(&self, tenant: &TenantId, run: &RunId) -> Answer<Vec<Report>> {
        reading!(self, tenant, reports(run))
    }

    async fn candidates(
        &self,
        tenant: &TenantId,
        key: &Digest,
        trust: u8,
        max: u32,
    ) -> Answer<Vec<Candidate>> {
        reading!(self, tenant, candidates(key, trust, max))
    }

    async fn newest_proof(
        &self,
        tenant: &TenantId,
        pipeline: &PipelineName,
        stage: &StageName,
    ) -> Answer<Option<Candidate>> {
        reading!(self, tenant, newest_proof(pipeline, stage))
    }

    async fn claim(&self, writer: &Writer, claim: &Claim) -> Answer<ClaimAnswer> {
        writing!(self, &writer.tenant, claim(writer, claim))
    }

    async fn releases(
        &self,
        tenant: &TenantId,
        environment: &EnvironmentName,
        max: u32,
    ) -> Answer<Vec<Release>> {
        reading!(self, tenant, releases(environment, max))
    }

    async fn release(&self, writer: &Writer, environment: &EnvironmentName, release: Release) -> Answer<()> {
        writing!(self, &writer.tenant, release(writer, environment, &release))
    }

    async fn judge(
        &self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &str,
        verdict: &str,
        reason: &str,
    ) -> Answer<()> {
        writing!(self, &writer.tenant, judge(writer, environment, release, verdict, reason))
    }

    async fn ask(&self, writer: &Writer, approval: Approval) -> Answer<()> {
        writing!(self, &writer.tenant, ask(writer, &approval))
    }

    async fn approvals(&self, tenant: &TenantId, run: &RunId) -> Answer<Vec<Approval>> {
        reading!(self, tenant, approvals(run))
    }

    async fn answer(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        answer: ApprovalAnswer,
    ) -> Answer<()> {
        writing!(self, tenant, answer(run, stage, &answer))
    }

    async fn request_cancel(
        &self,
        tenant: &TenantId,
        run: &RunId,
        by: &str,
        reason: &str,
        at: u64,
    ) -> Answer<()> {
        writing!(self, tenant, request_cancel(run, by, reason, at))
    }

    async fn cancel_request(&self, tenant: &TenantId, run: &RunId) -> Answer<Option<(String, String, u64)>> {
        reading!(self, tenant, cancel_request(run))
    }

    async fn changed(&self, tenant: &TenantId, since: u64, within: Duration) -> u64 {
        if !within.is_zero() {
            let mut told = self.board().watch(tenant);
            if let Ok(Ok(count)) = tokio::time::timeout(within, told.wait_for(|count| *count > since)).await {
                return *count;
            }
        }
        // A fault of the storage is no change: what reads the state next reports it.
        match tokio::time::timeout(LAST_LOOK, self.count(tenant)).await {
            Ok(count) => count.unwrap_or(since),
            Err(_) => since,
        }
    }
}
