//! The configuration as data.

use super::service::Service;
use crate::policy::{Egress, SecretSource};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything an operator says about one installation. What is not said is `None` or empty; the defaults are those of the
/// command that reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// The state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Where the address of a PostgreSQL database is read; without it the memory is SQLite in the state directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<SecretSource>,
    /// A directory of blobs, or `s3://BUCKET/PREFIX`; without it, `blobs` in the state directory. Engines that share a database
    /// share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blobs: Option<String>,
    /// Directories with plugins, all of them searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugins: Option<Vec<String>>,
    /// The file with the tenant's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What the names of connections mean.
    pub connections: BTreeMap<String, Connection>,
    /// Directories of this machine that tasks see, read-only, at their own paths. `~/` is the user's home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolbox: Option<Vec<String>>,
    /// What may be reached although it is always denied.
    pub egress: Egress,
    /// What a server needs beyond that.
    #[serde(flatten)]
    pub service: Service,
}

/// Where images of a connection are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// In OCI image layouts below this directory.
    Layout(String),
    /// In a registry of the OCI distribution specification.
    Registry(RegistryConnection),
}

impl Connection {
    /// Whether what is written to it stays on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Layout(_))
    }
}

/// A registry and how it is entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryConnection {
    /// `HOST` or `HOST:PORT`.
    pub address: String,
    /// Plain HTTP instead of TLS; only to this machine.
    pub insecure: bool,
    /// The credentials; none is anonymous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// Credentials of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is; never the password itself.
    pub password: SecretSource,
}
