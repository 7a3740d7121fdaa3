//! The configuration as data.

use super::service::Service;
use crate::grant::ImagePattern;
use crate::name::TenantId;
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
    /// What the names of clusters mean.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub clusters: BTreeMap<String, ClusterAccess>,
    /// Where tasks run besides this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<Pods>,
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
    /// In the registry of Amazon ECR of one account in one region.
    Ecr(EcrConnection),
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
    /// Where nodes of clusters and tools in tasks find it, if not at `address`: `HOST` or `HOST:PORT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<String>,
    /// The credentials; none is anonymous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// A registry of Amazon ECR and who acts in it. Credentials are the machine's own: the environment, profile files, the web
/// identity of a pod, or a metadata service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EcrConnection {
    /// The twelve digits of the account that owns the registry.
    pub account: String,
    /// Such as `eu-central-1`.
    pub region: String,
    /// The role that is assumed, by its ARN; none is whoever the machine's credentials are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Tenants that act in a role of their own instead, by its ARN.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<TenantId, String>,
    /// What a role's trust policy may demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Whether a repository that is pushed to is created where it is absent.
    pub create: bool,
}

impl EcrConnection {
    /// The role in which a tenant acts.
    #[must_use]
    pub fn role_of(&self, tenant: &TenantId) -> Option<&str> {
        self.roles.get(tenant).or(self.role.as_ref()).map(String::as_str)
    }
}

/// How a Kubernetes cluster is reached. Where nothing is said: with the service account of the pod that the engine runs in, else as
/// the user's own kubeconfig says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterAccess {
    /// The kubeconfig; none is the pod's service account, else the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// The context in it; none is the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

/// Tasks as pods of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pods {
    /// The name of the cluster.
    pub cluster: String,
    /// The namespace of the pods; it exists.
    pub namespace: String,
    /// Those of tenants that have one of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub namespaces: BTreeMap<TenantId, String>,
    /// Which tasks become pods.
    pub tasks: PodTasks,
    /// The image of the helper, for tasks with a workspace, services or something to collect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// The image of tasks that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolbox: Option<String>,
    /// Connection to the address under which the nodes pull its images.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub registries: BTreeMap<String, String>,
    /// The service account of pods that name no identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// Service accounts that a task may name as its identity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<String>,
    /// Names of secrets of the namespace with which images are pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pull_secrets: Vec<String>,
    /// Labels that a node must have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<PodToleration>,
    /// For how long a task may wait for its node and its image, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_within_ms: Option<u64>,
    /// Images that may run as root in their container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub root_images: Vec<ImagePattern>,
    /// What every pod has besides.
    #[serde(skip_serializing_if = "PodTemplate::is_empty")]
    pub template: PodTemplate,
}

/// What every pod of a task has besides, in the words of Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PodTemplate {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Fields of a `PodSpec`, of those that are not the engine's; what is in them is not looked at.
    pub spec: serde_json::Map<String, serde_json::Value>,
}

impl PodTemplate {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which tasks become pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodTasks {
    /// Those that name an image; those with the toolbox run on this machine.
    #[default]
    Images,
    /// Every task.
    All,
}

/// A taint that is tolerated, as Kubernetes writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PodToleration {
    /// The taint's key; none is every key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The taint's value; none is every value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; none is every effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
}

/// Credentials of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Login {
    /// The user.
    pub user: String,
    /// Where the password is; never the password itself.
    pub password: SecretSource,
}
