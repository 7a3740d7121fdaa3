//! The clusters by name, each opened when it is first asked for.

use super::kinds::Kinds;
use super::{objects, rollout};
use crate::reach;
use async_trait::async_trait;
use kube::Client;
use serde_json::Value as Json;
use stageway_core::call::Cluster as Call;
use stageway_core::name::TenantId;
use stageway_ports::{Cluster, ClusterError};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How a cluster is reached. Without both: with the service account of the pod that this process runs in, else as the user's own
/// kubeconfig says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterOptions {
    /// The kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; none is the current one.
    pub context: Option<String>,
}

/// The clusters of one installation.
pub struct KubernetesClusters {
    known: BTreeMap<String, ClusterOptions>,
    open: Mutex<BTreeMap<String, Arc<Opened>>>,
}

/// A cluster with what is known of it.
pub(super) struct Opened {
    pub(super) client: Client,
    pub(super) kinds: Kinds,
}

impl KubernetesClusters {
    /// Those with these names. Nothing is read and nothing asked yet.
    pub fn new(known: BTreeMap<String, ClusterOptions>) -> Self {
        Self { known, open: Mutex::default() }
    }

    async fn cluster(&self, name: &str) -> Result<Arc<Opened>, ClusterError> {
        let options = self.known.get(name).ok_or_else(|| ClusterError::Unknown(name.to_owned()))?;
        let mut open = self.open.lock().await;
        if let Some(cluster) = open.get(name) {
            return Ok(cluster.clone());
        }
        let client = reach::client(options.kubeconfig.as_deref(), options.context.as_deref()).await;
        let client =
            client.map_err(|error| ClusterError::Unavailable(format!("cluster `{name}`: {error}")))?;
        let cluster = Arc::new(Opened { client, kinds: Kinds::default() });
        open.insert(name.to_owned(), cluster.clone());
        Ok(cluster)
    }
}

#[async_trait]
impl Cluster for KubernetesClusters {
    async fn call(&self, _tenant: &TenantId, call: &Call) -> Result<Json, ClusterError> {
        match call {
            Call::Get { cluster, api_version, kind, namespace, name } => {
                objects::get(&*self.cluster(cluster).await?, (api_version, kind), namespace, name).await
            }
            Call::Find { cluster, api_version, kind, namespace, selector, max } => {
                let cluster = self.cluster(cluster).await?;
                objects::find(&cluster, (api_version, kind), namespace, selector, *max).await
            }
            Call::Apply { cluster, manifest, options } => {
                objects::apply(&*self.cluster(cluster).await?, manifest, options).await
            }
            Call::Delete { cluster, api_version, kind, namespace, name } => {
                objects::delete(&*self.cluster(cluster).await?, (api_version, kind), namespace, name).await
            }
            Call::Rollout { cluster, kind, namespace, name, timeout_ms } => {
                let cluster = self.cluster(cluster).await?;
                let within = Duration::from_millis(u64::from(*timeout_ms));
                rollout::follow(&cluster.client, kind, namespace, name, within).await
            }
        }
    }
}
