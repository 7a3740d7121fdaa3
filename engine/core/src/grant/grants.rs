//! The grants of one stage: per interface none, or its parameters.

use super::{Access, ClusterAction, HostPattern, ImageAction, ImagePattern, Interface, RepositoryPattern};
use super::{SecretName, Sink};
use crate::name::EnvironmentName;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything a stage may do. `None` means: the interface is not granted; it is not linked, or answers `denied`
/// where the manifest calls it optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Grants {
    /// The attempt's own tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Access>,
    /// Artifacts; writing saves them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Access>,
    /// Changes and commits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Access>,
    /// Commands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tasks: Option<TasksGrant>,
    /// Registries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<ImagesGrant>,
    /// Requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpGrant>,
    /// Secrets that the plugin may name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsGrant>,
    /// Releases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environments: Option<EnvironmentsGrant>,
    /// Questions to people.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub approvals: bool,
    /// Kubernetes objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterGrant>,
}

/// Commands: the executor's own toolbox always, images by pattern, the network or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct TasksGrant {
    /// Images beside the executor's own toolbox.
    pub images: BTreeSet<ImagePattern>,
    /// What a task may reach, through the checking proxy.
    pub network: TaskNetwork,
}

/// What the tasks of a stage may reach. In files `false`, `true` or a list of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "NetworkText", into = "NetworkText")]
pub enum TaskNetwork {
    /// Loopback of its own only.
    #[default]
    None,
    /// These hosts.
    Hosts(BTreeSet<HostPattern>),
    /// Whatever the egress rules let through.
    All,
}

/// How [`TaskNetwork`] is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NetworkText {
    Switch(bool),
    Hosts(BTreeSet<HostPattern>),
}

impl From<NetworkText> for TaskNetwork {
    fn from(text: NetworkText) -> Self {
        match text {
            NetworkText::Switch(true) => Self::All,
            NetworkText::Switch(false) => Self::None,
            NetworkText::Hosts(hosts) if hosts.is_empty() => Self::None,
            NetworkText::Hosts(hosts) => Self::Hosts(hosts),
        }
    }
}

impl From<TaskNetwork> for NetworkText {
    fn from(network: TaskNetwork) -> Self {
        match network {
            TaskNetwork::None => Self::Switch(false),
            TaskNetwork::All => Self::Switch(true),
            TaskNetwork::Hosts(hosts) => Self::Hosts(hosts),
        }
    }
}

impl TaskNetwork {
    /// Whether anything but loopback can be reached.
    pub fn is_some(&self) -> bool {
        *self != Self::None
    }

    /// What either reaches.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => Self::All,
            (Self::None, rest) | (rest, Self::None) => rest,
            (Self::Hosts(mut mine), Self::Hosts(theirs)) => {
                mine.extend(theirs);
                Self::Hosts(mine)
            }
        }
    }
}

/// Registries: what may be done in which repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImagesGrant {
    /// Actions by repository.
    pub repositories: BTreeMap<RepositoryPattern, BTreeSet<ImageAction>>,
}

/// Requests: to which hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HttpGrant {
    /// Host and port.
    pub hosts: BTreeSet<HostPattern>,
}

/// Secrets: which, and where each may flow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretsGrant {
    /// Sinks by secret.
    pub names: BTreeMap<SecretName, BTreeSet<Sink>>,
}

/// Releases: of which environments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EnvironmentsGrant {
    /// By name.
    pub names: BTreeSet<EnvironmentName>,
}

/// Kubernetes objects, by cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterGrant {
    /// What may be done, by the name of the cluster.
    pub clusters: BTreeMap<String, ClusterRule>,
}

/// What may be done in one cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct ClusterRule {
    /// Namespaces by name.
    pub namespaces: BTreeSet<String>,
    /// Kinds by name; `Secret` only if it is written.
    pub kinds: BTreeSet<String>,
    /// What may be done with them.
    pub actions: BTreeSet<ClusterAction>,
}

impl Grants {
    /// Whether the interface is granted at all.
    pub fn has(&self, interface: Interface) -> bool {
        match interface {
            Interface::Workspace => self.workspace.is_some(),
            Interface::Artifacts => self.artifacts.is_some(),
            Interface::Source => self.source.is_some(),
            Interface::Tasks => self.tasks.is_some(),
            Interface::Images => self.images.is_some(),
            Interface::Http => self.http.is_some(),
            Interface::Secrets => self.secrets.is_some(),
            Interface::Environments => self.environments.is_some(),
            Interface::Approvals => self.approvals,
            Interface::Cluster => self.cluster.is_some(),
        }
    }

    /// The granted interfaces, in order.
    pub fn interfaces(&self) -> BTreeSet<Interface> {
        Interface::ALL.iter().copied().filter(|interface| self.has(*interface)).collect()
    }

    /// Takes an interface away.
    pub fn remove(&mut self, interface: Interface) {
        match interface {
            Interface::Workspace => self.workspace = None,
            Interface::Artifacts => self.artifacts = None,
            Interface::Source => self.source = None,
            Interface::Tasks => self.tasks = None,
            Interface::Images => self.images = None,
            Interface::Http => self.http = None,
            Interface::Secrets => self.secrets = None,
            Interface::Environments => self.environments = None,
            Interface::Approvals => self.approvals = false,
            Interface::Cluster => self.cluster = None,
        }
    }

    /// Adds what `more` grants.
    pub fn add(&mut self, more: Grants) {
        self.workspace = self.workspace.max(more.workspace);
        self.artifacts = self.artifacts.max(more.artifacts);
        self.source = self.source.max(more.source);
        self.approvals |= more.approvals;
        if let Some(tasks) = more.tasks {
            let mine = self.tasks.get_or_insert_default();
            mine.images.extend(tasks.images);
            mine.network = std::mem::take(&mut mine.network).or(tasks.network);
        }
        if let Some(images) = more.images {
            let mine = self.images.get_or_insert_default();
            for (repository, actions) in images.repositories {
                mine.repositories.entry(repository).or_default().extend(actions);
            }
        }
        if let Some(http) = more.http {
            self.http.get_or_insert_default().hosts.extend(http.hosts);
        }
        if let Some(secrets) = more.secrets {
            let mine = self.secrets.get_or_insert_default();
            for (name, sinks) in secrets.names {
                mine.names.entry(name).or_default().extend(sinks);
            }
        }
        if let Some(environments) = more.environments {
            self.environments.get_or_insert_default().names.extend(environments.names);
        }
        if let Some(cluster) = more.cluster {
            let mine = self.cluster.get_or_insert_default();
            for (name, rule) in cluster.clusters {
                let entry = mine.clusters.entry(name).or_default();
                entry.namespaces.extend(rule.namespaces);
                entry.kinds.extend(rule.kinds);
                entry.actions.extend(rule.actions);
            }
        }
    }
}
