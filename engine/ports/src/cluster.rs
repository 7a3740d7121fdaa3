use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call;
use stageway_core::name::TenantId;
use thiserror::Error;

/// Why a cluster did not do what was asked.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// No cluster has that name here.
    #[error("no cluster `{0}` is configured")]
    Unknown(String),
    /// It does not answer.
    #[error("cluster unavailable: {0}")]
    Unavailable(String),
}

/// Objects of clusters.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Performs one call of the interface `cluster`.
    async fn call(&self, tenant: &TenantId, call: &call::Cluster) -> Result<Json, ClusterError>;
}
