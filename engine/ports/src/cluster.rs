use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call;
use stageway_core::name::TenantId;
use thiserror::Error;

/// Why a cluster did not do what was asked. The texts say what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClusterError {
    /// No cluster has that name here.
    #[error("no cluster `{0}` is configured: name it under `clusters` of the operator's configuration")]
    Unknown(String),
    /// The object, or the namespace that it would be in, is not there.
    #[error("not found: {0}")]
    NotFound(String),
    /// Somebody else's field or object stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// What was sent is not what the cluster takes.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The cluster refuses it: to this account, by a quota, or by an admission rule.
    #[error("refused: {0}")]
    Refused(String),
    /// It is larger than what is carried.
    #[error("too large: {0}")]
    TooLarge(String),
    /// It does not answer, or with an error of its own.
    #[error("cluster unavailable: {0}")]
    Unavailable(String),
}

/// Objects of clusters.
///
/// *Guarantees.* Repeating any call is the same as once. An object of a kind that has a namespace is never looked for outside of the
/// one that the call names, and one of a kind that has none only where the call names none: grants are checked by that name.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// Performs one call of the interface `cluster`. `Get` answers null for what is not there; `Delete` of it is done. Objects come
    /// without `metadata.managedFields`. A rollout resolves when it has ended, when it stands still, or when its time is over, which
    /// is an answer too: `{complete, reason, replicas, "updated-replicas", "ready-replicas", events, logs}`, where `reason` says in
    /// words what is wrong and what to do.
    ///
    /// # Cancellation
    /// A dropped `Apply` or `Delete` may have been done; the others change nothing.
    async fn call(&self, tenant: &TenantId, call: &call::Cluster) -> Result<Json, ClusterError>;
}
