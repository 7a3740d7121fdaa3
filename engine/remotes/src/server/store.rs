//! The port `Store` over a server's API, for reading.

use super::client::{RemoteServer, of};
use super::error::ServerError;
use super::views::{Changes, Events, Question, Run};
use async_trait::async_trait;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use stageway_core::digest::Digest;
use stageway_core::journal::Record;
use stageway_core::log::Report;
use stageway_core::name::{EnvironmentName, PipelineName, RunId, StageName, TenantId};
use stageway_core::run::RunEvent;
use stageway_ports::{
    Approval, ApprovalAnswer, Batch, Candidate, Claim, ClaimAnswer, Lease, NewRun, Release, RunFilter,
    RunRecord, RunSummary, Store, StoreError, StoredLine, Writer,
};
use std::time::Duration;

/// Runs of one request.
const PAGE: u32 = 1_000;
/// The longest wait for a change in one request.
const WAIT: Duration = Duration::from_secs(25);

/// What a server knows of its runs. It is read here and written there: every method that writes is refused.
#[derive(Debug, Clone)]
pub struct RemoteStore(RemoteServer);

type Answer<T> = Result<T, StoreError>;

impl RemoteStore {
    /// Reads from this server.
    pub fn new(server: RemoteServer) -> Self {
        Self(server)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Answer<T> {
        Ok(self.0.json(Method::GET, &of(tenant, path), query, None).await?)
    }

    /// A list that comes in pages of ever greater numbers.
    async fn pages<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        path: &[&str],
        number: impl Fn(&T) -> u64,
    ) -> Answer<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let mut query = vec![("max", PAGE.to_string())];
            query.extend(all.last().map(|last| ("after", number(last).to_string())));
            let page: Vec<T> = self.get(tenant, path, &query).await?;
            let whole = page.len() < PAGE as usize;
            all.extend(page);
            if whole {
                return Ok(all);
            }
        }
    }

    /// The events of a run from a version on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such run; [`StoreError::Storage`] if the server does not answer.
    pub async fn events_after(&self, tenant: &TenantId, run: &RunId, version: u64) -> Answer<Vec<RunEvent>> {
        let mut all = Vec::new();
        loop {
            let query = [("after", (version + all.len() as u64).to_string())];
            let page: Events = self.get(tenant, &["runs", run.as_str(), "events"], &query).await?;
            let over = page.events.is_empty();
            all.extend(page.events);
            if over || version + all.len() as u64 >= page.version {
                return Ok(all);
            }
        }
    }
}

fn elsewhere<T>() -> Answer<T> {
    Err(StoreError::Storage("a server's runs are written by the server".into()))
}

fn missing_is_none<T>(answer: Answer<T>) -> Answer<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Store for RemoteStore {
    async fn create_run(&self, _: &TenantId, _: NewRun) -> Answer<u64> {
        elsewhere()
    }

    async fn run(&self, tenant: &TenantId, run: &RunId) -> Answer<Option<RunRecord>> {
        let found = self.get::<Run>(tenant, &["runs", run.as_str()], &[]).await;
        let Some(found) = missing_is_none(found)? else { return Ok(None) };
        let plan: Json = self.get(tenant, &["runs", run.as_str(), "plan"], &[]).await?;
        let events = self.events_after(tenant, run, 0).await?;
        Ok(Some(RunRecord {
            id: found.id,
            number: found.number,
            pipeline: found.pipeline,
            plan,
            version: events.len() as u64,
            events,
            fence: 0,
            cancel: None,
        }))
    }

    async fn runs(&self, tenant: &TenantId, filter: &RunFilter) -> Answer<Vec<RunSummary>> {
        let mut found: Vec<RunSummary> = Vec::new();
        let mut before = filter.before;
        while (found.len() as u64) < u64::from(filter.max) {
            let max = (filter.max - found.len() as u32).min(PAGE);
            let mut query = vec![("max", max.to_string()), ("unfinished", filter.unfinished.to_string())];
            query.extend(filter.pipeline.as_ref().map(|pipeline| ("pipeline", pipeline.to_string())));
            query.extend(before.map(|before| ("before", before.to_string())));
            let page: Vec<Run> = self.get(tenant, &["runs"], &query).await?;
            let whole = page.len() < max as usize;
            found.extend(page.into_iter().map(RunSummary::from));
            before = found.last().map(|run| run.number);
            if whole {
                break;
            }
        }
        Ok(found)
    }

    async fn lease(
        &self,
        _: &TenantId,
        _: &RunId,
        _: &str,
        _: u64,
        _: u64,
        _: bool,
    ) -> Answer<Option<Lease>> {
        elsewhere()
    }

    async fn renew(&self, _: &Writer, _: u64) -> Answer<()> {
        elsewhere()
    }

    async fn rest(&self, _: &Writer, _: bool) -> Answer<()> {
        elsewhere()
    }

    async fn append(&self, _: &Writer, _: Batch) -> Answer<u64> {
        elsewhere()
    }

    async fn journal(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Answer<Vec<Record>> {
        let attempt = attempt.to_string();
        let path = ["runs", run.as_str(), "stages", stage.as_str(), "attempts", &attempt, "journal"];
        let pages = self.pages(tenant, &path, |record: &Record| u64::from(record.seq())).await;
        Ok(missing_is_none(pages)?.unwrap_or_default())
    }

    async fn lines(
        &self,
        tenant: &TenantId,
        run: &RunId,
        stage: Option<&StageName>,
        after: u64,
        max: u32,
    ) -> Answer<Vec<StoredLine>> {
        let mut query = vec![("after", after.to_string()), ("max", max.min(PAGE).to_string())];
        query.extend(stage.map(|stage| ("stage", stage.to_string())));
        let path = of(tenant, &["runs", run.as_str(), "logs"]);
        let bytes = self.0.send(Method::GET, &path, &query, None).await?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let line = |line| serde_json::from_slice(line).map_err(|e| self.0.strange(&e.to_string()).into());
        lines.map(line).collect()
    }

    async fn reports(&self, tenant: &TenantId, run: &RunId) -> Answer<Vec<Report>> {
        self.get(tenant, &["runs", run.as_str(), "reports"], &[]).await
    }

    async fn candidates(&self, _: &TenantId, _: &Digest, _: u8, _: u32) -> Answer<Vec<Candidate>> {
        elsewhere()
    }

    async fn newest_proof(&self, _: &TenantId, _: &PipelineName, _: &StageName) -> Answer<Option<Candidate>> {
        elsewhere()
    }

    async fn claim(&self, _: &Writer, _: &Claim) -> Answer<ClaimAnswer> {
        elsewhere()
    }

    async fn releases(
        &self,
        tenant: &TenantId,
        environment: &EnvironmentName,
        max: u32,
    ) -> Answer<Vec<Release>> {
        let query = [("max", max.clamp(1, PAGE).to_string())];
        self.get(tenant, &["environments", environment.as_str(), "releases"], &query).await
    }

    async fn release(&self, _: &Writer, _: &EnvironmentName, _: Release) -> Answer<()> {
        elsewhere()
    }

    async fn judge(&self, _: &Writer, _: &EnvironmentName, _: &str, _: &str, _: &str) -> Answer<()> {
        elsewhere()
    }

    async fn ask(&self, _: &Writer, _: Approval) -> Answer<()> {
        elsewhere()
    }

    async fn approvals(&self, tenant: &TenantId, run: &RunId) -> Answer<Vec<Approval>> {
        let asked: Vec<Question> = self.get(tenant, &["runs", run.as_str(), "approvals"], &[]).await?;
        Ok(asked.into_iter().map(Approval::from).collect())
    }

    async fn answer(&self, _: &TenantId, _: &RunId, _: &StageName, _: ApprovalAnswer) -> Answer<()> {
        elsewhere()
    }

    async fn request_cancel(&self, _: &TenantId, _: &RunId, _: &str, _: &str, _: u64) -> Answer<()> {
        elsewhere()
    }

    async fn cancel_request(&self, _: &TenantId, _: &RunId) -> Answer<Option<(String, String, u64)>> {
        elsewhere()
    }

    async fn changed(&self, tenant: &TenantId, since: u64, within: Duration) -> u64 {
        let within = within.min(WAIT).as_millis().to_string();
        let query = [("since", since.to_string()), ("within-ms", within)];
        let found: Result<Changes, ServerError> =
            self.0.json(Method::GET, &of(tenant, &["changes"]), &query, None).await;
        if found.is_err() {
            // What reads the state next reports it; until then nobody hurries.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        found.map_or(since, |found| found.changes)
    }
}
