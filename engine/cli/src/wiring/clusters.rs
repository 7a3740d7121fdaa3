//! Clusters by their names.

use crate::config::Settings;
use crate::exit::{Exit, Refused};
use stageway_core::operator::ClusterAccess;
use stageway_core::plan::Plan;
use stageway_executors::cluster::{ClusterOptions, KubernetesClusters};
use stageway_ports::Cluster;
use std::sync::Arc;

/// The clusters of the settings, each reached when it is first asked for; none where none is configured.
pub(super) fn clusters(settings: &Settings) -> Option<Arc<dyn Cluster>> {
    if settings.clusters.is_empty() {
        return None;
    }
    let options = settings.clusters.iter().map(|(name, access)| (name.clone(), cluster_options(access)));
    Some(Arc::new(KubernetesClusters::new(options.collect())))
}

/// How a cluster is reached.
pub(crate) fn cluster_options(access: &ClusterAccess) -> ClusterOptions {
    ClusterOptions { kubeconfig: access.kubeconfig.as_ref().map(Into::into), context: access.context.clone() }
}

/// Refuses a plan that names a cluster which is not configured.
///
/// # Errors
/// [`Refused`] with every such stage and cluster.
pub(crate) fn known_clusters(plan: &Plan, settings: &Settings) -> Result<(), Refused> {
    let named = plan.stages.iter().flat_map(|(stage, planned)| {
        let clusters = planned.grants.cluster.iter().flat_map(|grant| grant.clusters.keys());
        clusters.map(move |cluster| (stage, cluster))
    });
    let unknown = named.filter(|(_, cluster)| !settings.clusters.contains_key(*cluster));
    let unknown: Vec<String> =
        unknown.map(|(stage, cluster)| format!("`{cluster}` of stage `{stage}`")).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let message = format!("no such cluster is configured: {}", unknown.join(", "));
    let known: Vec<&str> = settings.clusters.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
    let remedy =
        format!("name it under `clusters` of the configuration ({}), which has {known}", settings.in_words());
    Err(Refused::new(Exit::Invalid, message, remedy))
}
