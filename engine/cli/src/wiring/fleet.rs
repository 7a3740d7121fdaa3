//! The engines of a server's runs.

use super::engine::{Blueprint, Parts, lease_ms, rules};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_conductor::engine::{Blind, Engine, Rules};
use stageway_conductor::scheduler::Engines;
use stageway_conductor::service::{Site, Uploaded};
use stageway_core::delivery::Revision;
use stageway_core::digest::DigestError;
use stageway_core::name::{RunId, TenantId};
use stageway_core::plan::Plan;
use stageway_core::workspace::Tree;
use stageway_ports::{Executor, Mirror, Mirrors, RunOrigin, Secrets, Source, SourceError, Store};
use stageway_remotes::secrets::DeclaredSecrets;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What all engines of a server have in common.
pub(crate) struct Fleet {
    blueprint: Arc<Blueprint>,
    site: Arc<Site>,
    mirrors: Arc<dyn Mirrors>,
    executor: Arc<dyn Executor>,
    secrets: Arc<dyn Secrets>,
    unconfined: bool,
    /// Each tenant's places for attempts in memory.
    stages: BTreeMap<TenantId, Arc<Semaphore>>,
}

impl Fleet {
    /// Every tenant's secrets are those of its own policy.
    pub(crate) fn new(
        blueprint: Arc<Blueprint>,
        site: Arc<Site>,
        mirrors: Arc<dyn Mirrors>,
        unconfined: bool,
    ) -> Self {
        let none = DeclaredSecrets::new(&blueprint.settings.folder);
        let secrets = site
            .tenants
            .iter()
            .fold(none, |all, (tenant, rules)| all.with_tenant(tenant, &rules.policy.secrets));
        let executor = blueprint.executor.clone();
        let of_tenant = site.tenants.iter();
        let stages = of_tenant.map(|(tenant, of)| (tenant.clone(), rules(&of.policy).places())).collect();
        Self { blueprint, site, mirrors, executor, secrets: Arc::new(secrets), unconfined, stages }
    }

    /// The commit of a run, or the files that a person sent.
    async fn source(&self, tenant: &TenantId, origin: &RunOrigin) -> Result<Arc<dyn Source>, String> {
        let mirror = self.mirrors.open(tenant, &origin.key.repository).await.map_err(|e| e.to_string())?;
        let commit = Committed {
            tenant: tenant.clone(),
            run: origin.run.clone(),
            revision: origin.revision.clone(),
            store: self.blueprint.home.store.clone(),
            mirror,
        };
        if !origin.key.is_preflight() {
            return Ok(Arc::new(commit));
        }
        let base = commit.base().await.map_err(|error| error.to_string())?;
        let tree = format!("sha256:{}", origin.revision).parse().map_err(|e: DigestError| e.to_string())?;
        let base = base.map(|base| commit.mirror.at(&base, None));
        Ok(Arc::new(Uploaded { blobs: self.blueprint.home.blobs.clone(), tree, base }))
    }
}

/// The commit of a run. Few runs ask what has changed, so only they look where that is counted from.
struct Committed {
    tenant: TenantId,
    run: RunId,
    revision: Revision,
    store: Arc<dyn Store>,
    mirror: Arc<dyn Mirror>,
}

impl Committed {
    /// What changes are counted from stands in the plan.
    async fn base(&self) -> Result<Option<Revision>, SourceError> {
        let unavailable = |error: &dyn Display| SourceError::Unavailable(error.to_string());
        let record = self.store.run(&self.tenant, &self.run).await.map_err(|error| unavailable(&error))?;
        let plan = record.ok_or_else(|| SourceError::NotFound(format!("run {}", self.run)))?.plan;
        let plan: Plan = serde_json::from_value(plan).map_err(|error| unavailable(&error))?;
        Ok(plan.event.base.and_then(|base| Revision::new(base).ok()))
    }
}

#[async_trait]
impl Source for Committed {
    async fn tree(&self) -> Result<Tree, SourceError> {
        self.mirror.at(&self.revision, None).tree().await
    }

    async fn changed_files(
        &self,
        since: Option<&str>,
        after: Option<&str>,
        max: u32,
    ) -> Result<Vec<String>, SourceError> {
        let base = self.base().await?;
        self.mirror.at(&self.revision, base.as_ref()).changed_files(since, after, max).await
    }

    async fn commits(&self, since: Option<&str>, max: u32) -> Result<Vec<Json>, SourceError> {
        self.mirror.at(&self.revision, None).commits(since, max).await
    }
}

#[async_trait]
impl Engines for Fleet {
    async fn engine(&self, tenant: &TenantId, origin: &RunOrigin) -> Result<Arc<Engine>, String> {
        let source = self.source(tenant, origin).await?;
        let policy = self.site.tenants.get(tenant).map(|rules| &rules.policy);
        let rules = policy.map_or_else(Rules::default, rules);
        let parts = Parts {
            secrets: self.secrets.clone(),
            executor: self.executor.clone(),
            observer: Arc::new(Blind),
        };
        let lease_ms = lease_ms(&self.blueprint.settings);
        let stages = self.stages.get(tenant).cloned();
        let rules = Rules { unconfined: self.unconfined, skip: !origin.repeats(), lease_ms, stages, ..rules };
        self.blueprint.assemble(source, parts, rules).map_err(|error| format!("{error:#}"))
    }
}
