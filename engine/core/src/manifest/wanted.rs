//! The grants that a plugin asks for, and how their parameters follow from its configuration.

use crate::grant::{Access, ClusterAction, ImageAction, Interface};
use serde::{Deserialize, Serialize};

/// What a plugin asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WantedGrants {
    /// Without these it does not run.
    pub required: Vec<Wanted>,
    /// Without these every function of the interface answers `denied`.
    pub optional: Vec<Wanted>,
}

/// One interface that a plugin asks for. Members beside `interface` belong to some interfaces only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wanted {
    /// Which.
    pub interface: Interface,
    /// `workspace`, `artifacts`: how far; without it reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// `images`: which repositories, and what in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryWanted>,
    /// `tasks`: which images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Parameter>,
    /// `http`: which hosts, taken from URLs or `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Parameter>,
    /// `secrets`: which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Parameter>,
    /// `environments`: which; without it the stage's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<Parameter>,
    /// `cluster`: which clusters, and what in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<ClusterWanted>,
    /// `tasks`: whether they need the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<WantedNetwork>,
}

/// A parameter of a wanted grant: a constant, or what stands in the stage's `with`. A list there gives one for each of
/// its entries; nothing there gives none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parameter {
    /// Itself.
    Constant(String),
    /// `{"from": POINTER}`.
    From(FromConfiguration),
}

/// Where a parameter stands in the stage's `with`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FromConfiguration {
    /// JSON pointer (RFC 6901) into `with`.
    pub from: String,
}

/// A repository that stands in the stage's `with`, and what is done in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryWanted {
    /// JSON pointer (RFC 6901) into `with`. An image reference there gives its repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The repository itself, in the place of `from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// What is done in it.
    pub actions: Vec<ImageAction>,
}

/// A cluster that stands in the stage's `with`, and what is done in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterWanted {
    /// JSON pointer (RFC 6901) into `with`: the cluster's name.
    pub from: String,
    /// Which namespaces.
    #[serde(default)]
    pub namespaces: Vec<Parameter>,
    /// Which kinds.
    #[serde(default)]
    pub kinds: Vec<Parameter>,
    /// What is done with them.
    pub actions: Vec<ClusterAction>,
}

/// Whether the tasks of a plugin need the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WantedNetwork {
    /// Always or never.
    Always(bool),
    /// A boolean or a list of hosts that stands in the stage's `with`.
    From(FromConfiguration),
}

impl Wanted {
    /// One interface without parameters.
    pub fn of(interface: Interface) -> Self {
        Self {
            interface,
            access: None,
            repositories: Vec::new(),
            images: Vec::new(),
            hosts: Vec::new(),
            secrets: Vec::new(),
            names: Vec::new(),
            clusters: Vec::new(),
            network: None,
        }
    }

    /// The members that are set and do not belong to the interface.
    pub(super) fn strangers(&self) -> Vec<&'static str> {
        let members = [
            (
                "access",
                self.access.is_some(),
                &[Interface::Workspace, Interface::Artifacts, Interface::Source][..],
            ),
            ("repositories", !self.repositories.is_empty(), &[Interface::Images]),
            ("images", !self.images.is_empty(), &[Interface::Tasks]),
            ("hosts", !self.hosts.is_empty(), &[Interface::Http]),
            ("secrets", !self.secrets.is_empty(), &[Interface::Secrets]),
            ("names", !self.names.is_empty(), &[Interface::Environments]),
            ("clusters", !self.clusters.is_empty(), &[Interface::Cluster]),
            ("network", self.network.is_some(), &[Interface::Tasks]),
        ];
        let stranger =
            |(_, set, owners): &(&str, bool, &[Interface])| *set && !owners.contains(&self.interface);
        members.into_iter().filter(stranger).map(|(name, _, _)| name).collect()
    }

    /// Every JSON pointer of it.
    pub(super) fn pointers(&self) -> Vec<&str> {
        let parameters = [&self.images, &self.hosts, &self.secrets, &self.names].into_iter().flatten();
        let of_clusters =
            self.clusters.iter().flat_map(|cluster| cluster.namespaces.iter().chain(&cluster.kinds));
        let network = match &self.network {
            Some(WantedNetwork::From(place)) => Some(place.from.as_str()),
            _ => None,
        };
        let places = parameters.chain(of_clusters).filter_map(|parameter| match parameter {
            Parameter::From(place) => Some(place.from.as_str()),
            Parameter::Constant(_) => None,
        });
        places
            .chain(self.repositories.iter().filter_map(|repository| repository.from.as_deref()))
            .chain(self.clusters.iter().map(|cluster| cluster.from.as_str()))
            .chain(network)
            .collect()
    }
}
