//! Objects of a Kubernetes cluster. Grant `cluster`: by cluster name, namespaces, kinds and the actions read, apply and
//! delete.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bindings::stageway::host::cluster as raw;
use crate::{HostError, Span, wire};

/// One object of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object<'a> {
    /// The cluster's name, as the operator gave it.
    pub cluster: &'a str,
    /// For example `apps/v1`.
    pub api_version: &'a str,
    /// For example `Deployment`.
    pub kind: &'a str,
    /// Empty for objects that have none.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
}

/// How an object is applied.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplyOptions {
    /// Only what the server would do.
    pub dry_run: bool,
    /// Take over fields of other managers.
    pub force: bool,
}

/// The live object; none if there is none.
///
/// # Errors
/// `Denied`, `Unavailable`.
pub fn get(object: &Object) -> Result<Option<Value>, HostError> {
    let found = raw::get(object.cluster, object.api_version, object.kind, object.namespace, object.name)?;
    found.map(|json| wire::parse("cluster.get", &json)).transpose()
}

/// At most `max` objects that match a label selector, in the API server's order.
///
/// # Errors
/// `InvalidArgument` for a selector that is none, `Denied`, `Unavailable`.
pub fn find(
    cluster: &str,
    api_version: &str,
    kind: &str,
    namespace: &str,
    selector: &str,
    max: u32,
) -> Result<Vec<Value>, HostError> {
    wire::parse_all("cluster.find", &raw::find(cluster, api_version, kind, namespace, selector, max)?)
}

/// Server-side apply of one object; answers the live object.
///
/// # Errors
/// `Conflict` for a field of another manager, `InvalidArgument`, `Denied`, `Unavailable`.
pub fn apply(cluster: &str, manifest: &Value, options: ApplyOptions) -> Result<Value, HostError> {
    let live = raw::apply(cluster, &wire::write("manifest", manifest)?, &wire::write("options", &options)?)?;
    wire::parse("cluster.apply", &live)
}

/// Deletes one object, after what it owns. One that is not there is deleted.
///
/// # Errors
/// `Denied`, `Unavailable`.
pub fn delete(object: &Object) -> Result<(), HostError> {
    raw::delete(object.cluster, object.api_version, object.kind, object.namespace, object.name)
}

/// How a rollout ended, or why it does not go on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Rollout {
    /// All of it is there.
    pub complete: bool,
    /// What is wrong and what to do, in words; empty where nothing is.
    pub reason: String,
    /// How many there are to be.
    pub replicas: i32,
    /// How many are of the newest revision.
    pub updated_replicas: i32,
    /// How many are ready.
    pub ready_replicas: i32,
    /// Warnings of the cluster: `{object, reason, message, count}`.
    pub events: Vec<Value>,
    /// Last lines of a container in trouble: `{pod, container, text}`.
    pub logs: Vec<Value>,
}

/// Waits until the rollout of a Deployment, StatefulSet, DaemonSet or Job has ended, stands still, or has had its time.
///
/// # Errors
/// `InvalidArgument` for a kind without rollouts, `Cancelled`, `NotFound`, `Denied`, `Unavailable`.
pub fn rollout(
    cluster: &str,
    kind: &str,
    namespace: &str,
    name: &str,
    within: Span,
) -> Result<Rollout, HostError> {
    wire::parse("cluster.rollout", &raw::rollout(cluster, kind, namespace, name, within.as_millis())?)
}
