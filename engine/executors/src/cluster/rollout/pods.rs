//! The pods of the newest revision: the others end anyway.

use super::typed;
use super::workload::Seen;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ListParams};
use stageway_ports::ClusterError;

/// Pods that are looked at.
const MOST: u32 = 200;

/// The pods that the rollout makes, with the uid of their replica set where there is one. Where the account may not list them there
/// are none: the workload's own status still tells the end.
pub(super) async fn newest(client: &Client, seen: &Seen) -> Result<Newest, ClusterError> {
    if seen.selector.is_empty() || !seen.is_observed {
        return Ok(Newest::default());
    }
    let replica_set = match &seen.replica_set_revision {
        None => None,
        Some(revision) => match replica_set(client, seen, revision).await {
            Err(ClusterError::Refused(_)) => None,
            found => match found? {
                // Its pods come later.
                None => return Ok(Newest::default()),
                found => found,
            },
        },
    };
    let api: Api<Pod> = Api::namespaced(client.clone(), &seen.namespace);
    let listed = typed(api.list(&ListParams::default().labels(&seen.selector).limit(MOST))).await;
    let mut pods = match listed {
        Err(ClusterError::Refused(_)) => return Ok(Newest::default()),
        listed => listed?.items,
    };
    pods.retain(|pod| match (&replica_set, &seen.revision) {
        (Some(uid), _) => is_owned(pod.metadata.owner_references.as_deref(), uid),
        (None, Some((label, value))) => {
            is_owned(pod.metadata.owner_references.as_deref(), &seen.uid)
                && pod.metadata.labels.as_ref().and_then(|labels| labels.get(*label)) == Some(value)
        }
        (None, None) => true,
    });
    Ok(Newest { pods, replica_set })
}

/// What a rollout makes.
#[derive(Default)]
pub(super) struct Newest {
    pub(super) pods: Vec<Pod>,
    pub(super) replica_set: Option<String>,
}

async fn replica_set(client: &Client, seen: &Seen, revision: &str) -> Result<Option<String>, ClusterError> {
    let api: Api<ReplicaSet> = Api::namespaced(client.clone(), &seen.namespace);
    let sets = typed(api.list(&ListParams::default().labels(&seen.selector).limit(MOST))).await?.items;
    let is_newest = |set: &&ReplicaSet| {
        let annotations = set.metadata.annotations.as_ref();
        is_owned(set.metadata.owner_references.as_deref(), &seen.uid)
            && annotations.and_then(|all| all.get("deployment.kubernetes.io/revision")).map(String::as_str)
                == Some(revision)
    };
    Ok(sets.iter().find(is_newest).and_then(|set| set.metadata.uid.clone()))
}

fn is_owned(
    owners: Option<&[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference]>,
    uid: &str,
) -> bool {
    owners.unwrap_or_default().iter().any(|owner| owner.uid == uid)
}
