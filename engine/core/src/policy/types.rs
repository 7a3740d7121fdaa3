//! The policy as data.

use crate::event::Trust;
use crate::grant::{HostPattern, Interface, SecretName, Sink};
use crate::name::EnvironmentName;
use crate::plugin::PluginName;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// Everything an operator decides for one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// What each trust may.
    pub trust: TrustRules,
    /// Environments by name. Empty: any name, protected trust only.
    pub environments: BTreeMap<EnvironmentName, EnvironmentRule>,
    /// Plugins by pattern; the first that matches decides, and none refuses.
    pub plugins: IndexMap<PluginPattern, PluginRule>,
    /// Secrets by name.
    pub secrets: BTreeMap<SecretName, SecretRule>,
    /// Upper bounds of everything the tenant runs.
    pub limits: PolicyLimits,
    /// What may be reached although it is always denied.
    pub egress: Egress,
    /// Constants for expressions; a pipeline file's own go before them.
    pub vars: BTreeMap<String, Json>,
}

impl Policy {
    /// What runs of this trust may.
    pub fn at(&self, trust: Trust) -> &TrustRule {
        match trust {
            Trust::Fork => &self.trust.fork,
            Trust::Member => &self.trust.member,
            Trust::Protected => &self.trust.protected,
        }
    }
}

/// The three rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRules {
    /// For everybody.
    pub fork: TrustRule,
    /// For those who may push.
    pub member: TrustRule,
    /// For protected refs, schedules, persons who may.
    pub protected: TrustRule,
}

/// What runs of one trust may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustRule {
    /// Interfaces.
    pub allow: Allow,
    /// What a connection of the file means.
    pub connections: Connections,
    /// Whether a granted network goes through.
    pub network: NetworkRule,
    /// Secrets by name.
    pub secrets: SecretsRule,
    /// What may be done with caches.
    pub cache: CacheRule,
    /// Who must agree before the run starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRule>,
}

/// Which interfaces may be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allow {
    /// All.
    All,
    /// These.
    Only(BTreeSet<Interface>),
}

impl Allow {
    /// Whether the interface may be granted.
    pub fn has(&self, interface: Interface) -> bool {
        match self {
            Self::All => true,
            Self::Only(interfaces) => interfaces.contains(&interface),
        }
    }
}

/// What the connections of a file mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// All as they are written.
    AsWritten,
    /// Only these, under the operator's names.
    Map(BTreeMap<String, String>),
}

impl Connections {
    /// The operator's connection that a connection of the file means; `None` refuses it.
    pub fn resolve<'a>(&'a self, connection: &'a str) -> Option<&'a str> {
        match self {
            Self::AsWritten => Some(connection),
            Self::Map(map) => map.get(connection).map(String::as_str),
        }
    }

    /// The operator's repository that a repository of the file, `CONNECTION/PATH`, means; `None` refuses it.
    pub fn repository(&self, repository: &str) -> Option<String> {
        let (connection, path) = repository.split_once('/')?;
        Some(format!("{}/{path}", self.resolve(connection)?))
    }
}

/// Whether a granted network goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkRule {
    /// Never.
    None,
    /// Where the stage grants it.
    Granted,
}

/// Which secrets may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsRule {
    /// All that the policy has.
    All,
    /// These.
    Only(BTreeSet<SecretName>),
}

impl SecretsRule {
    /// Whether the secret may be used.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// What may be done with caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheRule {
    /// None is there.
    None,
    /// They are there, and what is written is dropped.
    Read,
    /// They are kept.
    Write,
}

/// Who must agree before a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalRule {
    /// Somebody who may push.
    Member,
}

/// Who and what may enter an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRule {
    /// Branch patterns; empty takes every branch.
    pub refs: Vec<String>,
    /// Who may approve.
    pub approvers: Vec<String>,
}

/// A plugin's name, or all below a namespace: `stageway/*`, or all: `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PluginPattern(pub(super) String);

impl PluginPattern {
    /// Whether it covers the plugin.
    pub fn matches(&self, name: &PluginName) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => name.as_str().starts_with(prefix),
            None => name.as_str() == self.0,
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How a plugin is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRule {
    /// Where its grants come from.
    pub grants: GrantSource,
}

/// Where the grants of a plugin come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantSource {
    /// Its manifest derives them from `with`; the file adds.
    Default,
    /// The file alone.
    File,
}

/// A secret: where it comes from and where it may flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRule {
    /// Where its value is.
    pub from: SecretSource,
    /// Where it may flow.
    pub to: BTreeSet<Sink>,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A variable of the engine's environment.
    Env(String),
    /// A file, relative to the operator's configuration.
    File(String),
}

/// Upper bounds. `None` leaves the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLimits {
    /// Attempts at the same time.
    pub parallel_stages: Option<u32>,
    /// Bounds of an attempt by their names ([`crate::limits::AttemptLimits::named`]).
    pub attempt: BTreeMap<String, u64>,
}

/// What may be reached although it is always denied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Egress {
    /// Hosts and ports, such as `127.0.0.1:9090`.
    pub allow: BTreeSet<HostPattern>,
}
