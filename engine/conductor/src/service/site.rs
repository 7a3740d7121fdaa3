use stageway_core::delivery::RepositoryName;
use stageway_core::name::{RepositoryId, TenantId, WebhookId};
use stageway_core::operator::Repository;
use stageway_core::policy::Policy;
use stageway_ports::{Forge, SecretValue};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the operator registered.
#[derive(Default)]
pub struct Site {
    /// Every tenant.
    pub tenants: BTreeMap<TenantId, TenantRules>,
    /// By owner and name.
    pub repositories: BTreeMap<(TenantId, RepositoryId), Place>,
    /// Those that are enabled.
    pub webhooks: BTreeMap<WebhookId, Hook>,
    /// Where people see runs; none makes no links.
    pub pages: Option<String>,
}

/// Runs of a tenant that have places at once, where nothing else is said.
const PARALLEL_RUNS: usize = 50;

/// What holds for one tenant.
#[derive(Debug, Clone)]
pub struct TenantRules {
    /// Its policy.
    pub policy: Policy,
    /// Runs of it that have places at once, over all servers that share the database.
    pub parallel_runs: usize,
    /// Its share of a server's places, beside those of the others.
    pub weight: u64,
    /// Places of each server that the others leave free for it; none is one, as far as there are enough.
    pub guaranteed_runs: Option<usize>,
}

impl TenantRules {
    /// What holds where nothing else is said.
    pub fn usual(policy: Policy) -> Self {
        Self { policy, parallel_runs: PARALLEL_RUNS, weight: 1, guaranteed_runs: None }
    }
}

/// A repository and its forge.
pub struct Place {
    /// As it is registered.
    pub repository: Repository,
    /// Reads what it delivers, and is told how runs stand.
    pub forge: Arc<dyn Forge>,
    /// Whether we have credentials to tell it anything.
    pub reports: bool,
}

/// An address that a forge sends to.
pub struct Hook {
    /// Whose.
    pub tenant: TenantId,
    /// Who sends to it.
    pub forge: Arc<dyn Forge>,
    /// Any of them is right.
    pub secrets: Vec<SecretValue>,
    /// Of which repositories it tells.
    pub repositories: BTreeMap<RepositoryName, RepositoryId>,
}

impl Site {
    /// A repository of a tenant.
    pub fn place(&self, tenant: &TenantId, repository: &RepositoryId) -> Option<&Place> {
        self.repositories.get(&(tenant.clone(), repository.clone()))
    }

    /// Where people see a run, if the operator says that they do anywhere.
    pub fn link(&self, tenant: &TenantId, run: u64) -> Option<String> {
        self.pages.as_ref().map(|pages| format!("{pages}/{tenant}/runs/{run}"))
    }
}
