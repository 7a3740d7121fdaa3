//! What `stageway serve` needs beyond a single machine.

use super::token::Token;
use super::types::Login;
use crate::delivery::{ForgeKind, RepositoryName};
use crate::grant::HostPattern;
use crate::name::{RepositoryId, TenantId, TokenName, WebhookId};
use crate::policy::SecretSource;
use crate::trigger;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A webhook has at most this many secrets that are valid at once: one, and the one that replaces it.
pub const MAX_SECRETS: usize = 2;

/// Runs that a server drives at once, where nothing else is said.
pub const USUAL_PARALLEL_RUNS: u64 = 200;

/// The service's part of the configuration; empty for a single machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Service {
    /// `ADDRESS:PORT` to listen on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Where somebody shows runs to people, at `PAGES/TENANT/runs/NUMBER`: what forges are told leads there. The server itself has
    /// no such pages, and without this forges are given no link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<String>,
    /// Runs that each server drives at once, over all tenants; none is [`USUAL_PARALLEL_RUNS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_runs: Option<u64>,
    /// Between two looks for heads that no delivery told of, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep_ms: Option<u64>,
    /// What is said of tenants; those that only repositories name have the defaults.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Where traces go; none is nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces: Option<TraceReceiver>,
    /// Connections to forges.
    pub forges: BTreeMap<String, ForgeEntry>,
    /// By the operator's name.
    pub repositories: BTreeMap<RepositoryId, Repository>,
    /// Addresses that forges send to.
    pub webhooks: BTreeMap<WebhookId, Webhook>,
    /// Who may ask the server for what.
    pub tokens: BTreeMap<TokenName, Token>,
}

/// A receiver of traces by the OpenTelemetry protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceReceiver {
    /// The whole address.
    pub url: String,
    /// The host and port in it.
    pub host: HostPattern,
    /// Headers of every request, by name in lower case, and where their values are.
    pub headers: BTreeMap<String, SecretSource>,
}

/// What is said of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tenant {
    /// The file with its policy; none is the configuration's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Runs of it that are driven at once, over all servers that share the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_runs: Option<u64>,
    /// Its share of a server's places beside those of the others; none is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u64>,
    /// Places of each server that the others leave free for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guaranteed_runs: Option<u64>,
    /// Deliveries that are taken from it, a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries_a_minute: Option<u64>,
}

/// A connection to a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ForgeEntry {
    /// Which forge.
    pub kind: ForgeKind,
    /// The base of its API; none is the public service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// As whom it is told of statuses; none tells it nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<ForgeCredentials>,
}

/// Who we are to a forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForgeCredentials {
    /// Where the token is.
    Token(SecretSource),
    /// A name and a password.
    Login(Login),
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repository {
    /// Whose it is.
    pub tenant: TenantId,
    /// The connection to its forge.
    pub forge: String,
    /// Its full name there.
    pub name: RepositoryName,
    /// Where it is cloned from: an address or a path of this machine.
    pub clone: String,
    /// Credentials for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// What new branches are compared with.
    pub default_branch: String,
    /// Patterns of branches and tags whose pushes are believed most.
    pub protected: BTreeSet<String>,
}

impl Repository {
    /// Whether a push to this branch or tag is believed most.
    pub fn protects(&self, name: &str) -> bool {
        let patterns: Vec<_> = self.protected.iter().cloned().collect();
        !patterns.is_empty() && trigger::names(&patterns, name)
    }
}

/// An address that a forge sends to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Webhook {
    /// Of which repositories it tells; all of one tenant and one forge.
    pub repositories: BTreeSet<RepositoryId>,
    /// Where its secrets are; any of them is right.
    pub secrets: Vec<SecretSource>,
    /// A disabled one is as if it were not there.
    pub enabled: bool,
    /// Deliveries that are taken from it, a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deliveries_a_minute: Option<u64>,
}

impl Service {
    /// The tenant of a webhook: that of its repositories.
    pub fn tenant_of(&self, webhook: &Webhook) -> Option<&TenantId> {
        webhook.repositories.iter().find_map(|id| self.repositories.get(id)).map(|found| &found.tenant)
    }

    /// Every tenant that is named anywhere.
    pub fn tenant_names(&self) -> BTreeSet<TenantId> {
        let owners = self.repositories.values().map(|repository| &repository.tenant);
        self.tenants.keys().chain(owners).cloned().collect()
    }
}
