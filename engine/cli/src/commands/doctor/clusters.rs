//! Clusters: whether each answers, and what the engine may do where its tasks run.

use super::{Finding, clock};
use crate::config::Settings;
use crate::exit::Refused;
use crate::wiring::{cluster_options, pod_template};
use stageway_core::operator::{ClusterAccess, Pods};
use stageway_executors::cluster::{ClusterFacts, Right, TASKS, facts, missing};
use stageway_ports::ClusterError;
use std::collections::BTreeSet;

pub(super) async fn all(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, access) in &settings.clusters {
        let what = format!("cluster {name}");
        match facts(&cluster_options(access)).await {
            Ok(ClusterFacts { version, time_ms }) => {
                findings.push(Finding::good(what.clone(), format!("Kubernetes {version} answers")));
                findings.extend(time_ms.and_then(|theirs| clock::beside(&what, theirs)));
                if let Some(pods) = settings.executor.as_ref().filter(|pods| pods.cluster == *name) {
                    let namespaces: BTreeSet<_> =
                        std::iter::once(&pods.namespace).chain(pods.namespaces.values()).collect();
                    for namespace in namespaces {
                        findings.push(tasks(access, name, namespace).await);
                    }
                    findings.extend(helper(pods));
                    findings.extend(template(pods));
                }
            }
            Err(error) => {
                findings.push(Finding::wrong(what, why(error), "look at its kubeconfig, and whether it runs"))
            }
        }
    }
    findings
}

/// What tasks need where they run as pods.
async fn tasks(access: &ClusterAccess, cluster: &str, namespace: &str) -> Finding {
    let what = format!("pods in namespace {namespace} of cluster {cluster}");
    match missing(&cluster_options(access), namespace, &TASKS).await {
        Ok(missing) if missing.is_empty() => Finding::good(what, "the engine may do all that tasks need"),
        Ok(missing) => Finding::wrong(
            what,
            format!("the engine may not {}", listed(&missing)),
            "give its account these rights by a Role and a RoleBinding in that namespace",
        ),
        Err(error) => Finding::wrong(
            what,
            why(error),
            "let the engine ask for its own rights (`selfsubjectaccessreviews`)",
        ),
    }
}

fn helper(pods: &Pods) -> Option<Finding> {
    pods.helper.is_none().then(|| {
        Finding::notice(
            "helper of pods",
            "none is named: tasks with a workspace, services or something to collect are refused",
            "build it with `engine/executors/pod/setup`, push its image and name it",
        )
    })
}

fn template(pods: &Pods) -> Option<Finding> {
    let wrong = |error: Refused| {
        Finding::wrong("template of pods", error.to_string(), "`kubectl explain pod.spec` tells each field")
    };
    pod_template(pods).err().map(wrong)
}

/// The cluster's own words: what they are about stands before them.
fn why(error: ClusterError) -> String {
    match error {
        ClusterError::Refused(why) | ClusterError::Unavailable(why) => why,
        other => other.to_string(),
    }
}

fn listed(rights: &[Right]) -> String {
    let all: Vec<String> = rights.iter().map(ToString::to_string).collect();
    all.join(", ")
}
