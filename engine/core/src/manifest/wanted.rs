//! The grants that a plugin asks for, and how their parameters follow from its configuration.

use crate::grant::{Access, ImageAction, Interface};
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
    /// `workspace`, `artifacts`, `source`: how far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// `images`: which repositories, and what in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<RepositoryWanted>,
    /// `tasks`: which images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<FromConfiguration>,
    /// `http`: which hosts, taken from URLs or `HOST:PORT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<FromConfiguration>,
    /// `secrets`: which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<FromConfiguration>,
    /// `tasks`: whether they need the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<WantedNetwork>,
}

/// A parameter that stands in the stage's `with`. A list there gives one for each of its entries; nothing there gives
/// none.
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
    pub from: String,
    /// What is done in it.
    pub actions: Vec<ImageAction>,
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
