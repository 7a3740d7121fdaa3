//! How far a workload is, by what its status says: the rules of `kubectl rollout status`.

use super::typed;
use crate::reach;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ObjectMeta};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use stageway_ports::ClusterError;
use std::fmt::Debug;
use std::time::Duration;

/// A workload that has rollouts.
pub(super) struct Workload {
    objects: Objects,
    namespace: String,
    name: String,
}

enum Objects {
    Deployments(Api<Deployment>),
    StatefulSets(Api<StatefulSet>),
    DaemonSets(Api<DaemonSet>),
    Jobs(Api<Job>),
}

/// What one look saw.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) kind: &'static str,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) counts: Counts,
    pub(super) state: State,
    /// Whether its controller has seen what stands in it: before, its pods are those of another revision.
    pub(super) is_observed: bool,
    /// Labels of its pods, as a selector.
    pub(super) selector: String,
    /// The label of the pods of the newest revision, where the workload itself names it.
    pub(super) revision: Option<(&'static str, String)>,
    /// Of a deployment: which of its replica sets is the newest.
    pub(super) replica_set_revision: Option<String>,
    /// The controller cannot make pods, and why; since when.
    pub(super) creation_fails: Option<(String, Duration)>,
}

impl Seen {
    /// A workload of which nothing is known yet.
    fn nothing(kind: &'static str, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            version: String::new(),
            counts: Counts::default(),
            state: State::Going("its controller has not looked at it yet".to_owned()),
            is_observed: false,
            selector: String::new(),
            revision: None,
            replica_set_revision: None,
            creation_fails: None,
        }
    }
}

/// How many pods there are to be, are of the newest revision, and are ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) replicas: i32,
    pub(super) updated: i32,
    pub(super) ready: i32,
}

/// Where a rollout stands. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Complete,
    Going(String),
    Ended(String),
}

impl Workload {
    pub(super) fn of(client: &Client, kind: &str, namespace: &str, name: &str) -> Result<Self, ClusterError> {
        let client = client.clone();
        let objects = match kind {
            "Deployment" => Objects::Deployments(Api::namespaced(client, namespace)),
            "StatefulSet" => Objects::StatefulSets(Api::namespaced(client, namespace)),
            "DaemonSet" => Objects::DaemonSets(Api::namespaced(client, namespace)),
            "Job" => Objects::Jobs(Api::namespaced(client, namespace)),
            _ => {
                let words =
                    format!("a {kind:.100} has no rollout: Deployment, StatefulSet, DaemonSet and Job have");
                return Err(ClusterError::Invalid(words));
            }
        };
        if namespace.is_empty() {
            return Err(ClusterError::Invalid(format!("a {kind} lies in a namespace: name it")));
        }
        Ok(Self { objects, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    pub(super) async fn see(&self) -> Result<Seen, ClusterError> {
        match &self.objects {
            Objects::Deployments(api) => self.seen("Deployment", api, deployment).await,
            Objects::StatefulSets(api) => self.seen("StatefulSet", api, stateful_set).await,
            Objects::DaemonSets(api) => self.seen("DaemonSet", api, daemon_set).await,
            Objects::Jobs(api) => self.seen("Job", api, job).await,
        }
    }

    async fn seen<K: Resource + Clone + DeserializeOwned + Debug>(
        &self,
        kind: &'static str,
        api: &Api<K>,
        read: fn(&K, &mut Seen),
    ) -> Result<Seen, ClusterError> {
        let found = typed(api.get_opt(&self.name)).await?;
        let (namespace, name) = (&self.namespace, &self.name);
        let object = found.ok_or_else(|| {
            ClusterError::NotFound(format!("there is no {kind} `{name}` in namespace `{namespace}`"))
        })?;
        let meta: &ObjectMeta = object.meta();
        let mut seen = Seen::nothing(kind, namespace, name);
        seen.uid = meta.uid.clone().unwrap_or_default();
        seen.version = meta.resource_version.clone().unwrap_or_default();
        read(&object, &mut seen);
        Ok(seen)
    }

    /// Returns when the workload may have changed, at the latest after a while.
    pub(super) async fn changed(&self, seen: &Seen, within: Duration) {
        match &self.objects {
            Objects::Deployments(api) => changed(api, seen, within).await,
            Objects::StatefulSets(api) => changed(api, seen, within).await,
            Objects::DaemonSets(api) => changed(api, seen, within).await,
            Objects::Jobs(api) => changed(api, seen, within).await,
        }
    }
}

async fn changed<K: Resource + Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    seen: &Seen,
    within: Duration,
) {
    reach::changed(api, &seen.name, &seen.version, within).await;
    // A change may come with others: what follows within a moment is one look.
    tokio::time::sleep(within.min(Duration::from_millis(50))).await;
}

fn selector(labels: &LabelSelector) -> String {
    let exact = labels.match_labels.iter().flatten().map(|(name, value)| format!("{name}={value}"));
    let sets = labels.match_expressions.iter().flatten().filter_map(|one| {
        let values = one.values.as_deref().unwrap_or_default().join(",");
        match one.operator.as_str() {
            "In" => Some(format!("{} in ({values})", one.key)),
            "NotIn" => Some(format!("{} notin ({values})", one.key)),
            "Exists" => Some(one.key.clone()),
            "DoesNotExist" => Some(format!("!{}", one.key)),
            _ => None,
        }
    });
    exact.chain(sets).collect::<Vec<_>>().join(",")
}

/// Whether the controller has seen what stands in the object.
fn is_observed(meta: &ObjectMeta, observed: Option<i64>) -> bool {
    observed >= meta.generation
}

fn deployment(object: &Deployment, seen: &mut Seen) {
    let (Some(spec), status) = (&object.spec, object.status.clone().unwrap_or_default()) else { return };
    let wanted = spec.replicas.unwrap_or(1);
    let (all, updated) = (status.replicas.unwrap_or(0), status.updated_replicas.unwrap_or(0));
    let available = status.available_replicas.unwrap_or(0);
    seen.counts = Counts { replicas: wanted, updated, ready: status.ready_replicas.unwrap_or(0) };
    seen.selector = selector(&spec.selector);
    let annotations = object.metadata.annotations.as_ref();
    seen.replica_set_revision =
        annotations.and_then(|all| all.get("deployment.kubernetes.io/revision").cloned());
    let conditions = status.conditions.unwrap_or_default();
    let condition = |kind: &str| conditions.iter().find(|one| one.type_ == kind);
    seen.creation_fails = condition("ReplicaFailure").filter(|one| one.status == "True").map(|one| {
        let since =
            one.last_transition_time.as_ref().map_or(Duration::ZERO, |time| super::trouble::age(&time.0));
        (one.message.clone().unwrap_or_default(), since)
    });
    seen.is_observed = is_observed(&object.metadata, status.observed_generation);
    if !seen.is_observed {
        return;
    }
    seen.state = if spec.paused == Some(true) {
        State::Ended("Paused: the deployment is paused; set `spec.paused` to false".to_owned())
    } else if condition("Progressing")
        .is_some_and(|one| one.reason.as_deref() == Some("ProgressDeadlineExceeded"))
    {
        let limit = spec.progress_deadline_seconds.unwrap_or(600);
        State::Ended(format!(
            "ProgressDeadlineExceeded: there was no progress for {limit} s, the `progressDeadlineSeconds` of the deployment"
        ))
    } else if updated < wanted {
        State::Going(format!("{updated} of {wanted} new pods are made"))
    } else if all > updated {
        State::Going(format!("{} old pods still end", all - updated))
    } else if available < updated {
        State::Going(format!("{available} of {updated} new pods are available"))
    } else {
        State::Complete
    };
}

fn stateful_set(object: &StatefulSet, seen: &mut Seen) {
    let (Some(spec), status) = (&object.spec, object.status.clone().unwrap_or_default()) else { return };
    let wanted = spec.replicas.unwrap_or(1);
    let (updated, ready) = (status.updated_replicas.unwrap_or(0), status.ready_replicas.unwrap_or(0));
    seen.counts = Counts { replicas: wanted, updated, ready };
    seen.selector = selector(&spec.selector);
    seen.revision = status.update_revision.clone().map(|revision| ("controller-revision-hash", revision));
    seen.is_observed = is_observed(&object.metadata, status.observed_generation);
    if !seen.is_observed {
        return;
    }
    let strategy = spec.update_strategy.as_ref();
    let partition = strategy.and_then(|one| one.rolling_update.as_ref()?.partition).unwrap_or(0);
    let due = (wanted - partition).max(0);
    let by_hand = strategy.is_some_and(|one| one.type_.as_deref() == Some("OnDelete"));
    seen.state = if by_hand {
        // Its pods are replaced when somebody deletes them.
        State::Complete
    } else if updated < due {
        State::Going(format!("{updated} of {due} pods are new"))
    } else if ready < wanted {
        State::Going(format!("{ready} of {wanted} pods are ready"))
    } else if partition == 0 && status.update_revision != status.current_revision {
        State::Going(format!("the last of {wanted} pods becomes the current revision"))
    } else {
        State::Complete
    };
}

fn daemon_set(object: &DaemonSet, seen: &mut Seen) {
    let (Some(spec), status) = (&object.spec, object.status.clone().unwrap_or_default()) else { return };
    let (wanted, updated) = (status.desired_number_scheduled, status.updated_number_scheduled.unwrap_or(0));
    let available = status.number_available.unwrap_or(0);
    seen.counts = Counts { replicas: wanted, updated, ready: status.number_ready };
    seen.selector = selector(&spec.selector);
    if let Some(generation) = object.metadata.generation {
        seen.revision = Some(("pod-template-generation", generation.to_string()));
    }
    seen.is_observed = is_observed(&object.metadata, status.observed_generation);
    if !seen.is_observed {
        return;
    }
    let by_hand = spec.update_strategy.as_ref().is_some_and(|one| one.type_.as_deref() == Some("OnDelete"));
    seen.state = if by_hand {
        State::Complete
    } else if updated < wanted {
        State::Going(format!("{updated} of {wanted} nodes have the new pod"))
    } else if available < wanted {
        State::Going(format!("{available} of {wanted} new pods are available"))
    } else {
        State::Complete
    };
}

fn job(object: &Job, seen: &mut Seen) {
    let status = object.status.clone().unwrap_or_default();
    let wanted = object.spec.as_ref().and_then(|spec| spec.completions).unwrap_or(1);
    let succeeded = status.succeeded.unwrap_or(0);
    seen.counts = Counts { replicas: wanted, updated: succeeded, ready: status.ready.unwrap_or(0) };
    seen.selector = format!("batch.kubernetes.io/job-name={}", seen.name);
    // Its pods never change.
    seen.is_observed = true;
    let conditions = status.conditions.unwrap_or_default();
    let is = |kind: &str| conditions.iter().find(|one| one.type_ == kind && one.status == "True");
    seen.state = if is("Complete").is_some() {
        State::Complete
    } else if let Some(failed) = is("Failed") {
        let reason = failed.reason.as_deref().unwrap_or("Failed");
        let message = failed.message.as_deref().unwrap_or("the job failed");
        State::Ended(format!("{reason}: {message:.500}; look at the last lines of its pod"))
    } else if object.spec.as_ref().and_then(|spec| spec.suspend) == Some(true) {
        State::Ended("Suspended: the job is suspended; set `spec.suspend` to false".to_owned())
    } else {
        State::Going(format!("{succeeded} of {wanted} pods have succeeded"))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn seen<K: DeserializeOwned>(object: Json, read: fn(&K, &mut Seen)) -> Seen {
        let mut seen = Seen::nothing("", "", "shop");
        read(&serde_json::from_value(object).unwrap(), &mut seen);
        seen
    }

    fn deployed(spec: Json, status: Json) -> Seen {
        let mut whole = json!({"selector": {"matchLabels": {"app": "shop"}}, "template": {}, "replicas": 3});
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        seen(json!({"metadata": {"generation": 2}, "spec": whole, "status": status}), deployment)
    }

    #[test]
    fn a_deployment_is_complete_when_all_of_it_is_new_and_available() {
        let table = [
            (
                json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
                "not looked",
            ),
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 1, "availableReplicas": 3}),
                "1 of 3 new pods are made",
            ),
            (
                json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 3, "availableReplicas": 3}),
                "1 old pods",
            ),
            (
                json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 2}),
                "2 of 3 new pods are available",
            ),
        ];
        for (status, words) in table {
            let State::Going(going) = deployed(json!({}), status).state else { panic!("{words}") };
            assert!(going.contains(words), "{going}");
        }
        let whole = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3});
        let seen = deployed(json!({}), whole.clone());
        assert_eq!((seen.state, seen.selector.as_str()), (State::Complete, "app=shop"));
        assert!(
            matches!(deployed(json!({"paused": true}), whole).state, State::Ended(words) if words.contains("spec.paused"))
        );
        let late = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]});
        let State::Ended(words) = deployed(json!({"progressDeadlineSeconds": 7}), late).state else {
            panic!("ended")
        };
        assert!(words.contains("no progress for 7 s"), "{words}");
    }

    #[test]
    fn a_partition_of_a_stateful_set_is_waited_for_as_far_as_it_goes() {
        let spec = json!({"selector": {}, "serviceName": "", "template": {}, "replicas": 3,
                          "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}});
        let at = |updated: i32| {
            let status = json!({"replicas": 3, "readyReplicas": 3, "updatedReplicas": updated, "currentRevision": "a", "updateRevision": "b"});
            seen::<StatefulSet>(json!({"metadata": {}, "spec": spec, "status": status}), stateful_set)
        };
        assert!(matches!(at(0).state, State::Going(_)));
        assert_eq!(at(1).state, State::Complete);
        assert_eq!(at(1).revision, Some(("controller-revision-hash", "b".to_owned())));
    }

    #[test]
    fn a_job_ends_well_or_says_why_not() {
        let with = |condition: Json| {
            seen::<Job>(json!({"spec": {"template": {}}, "status": {"conditions": [condition]}}), job).state
        };
        assert_eq!(with(json!({"type": "Complete", "status": "True"})), State::Complete);
        let failed = with(
            json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached it"}),
        );
        assert!(
            matches!(failed, State::Ended(words) if words.starts_with("BackoffLimitExceeded: Job has reached it"))
        );
    }
}
