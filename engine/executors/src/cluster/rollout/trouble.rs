//! What keeps pods from becoming ready, in words and with the remedy.

use super::pods::Newest;
use super::workload::Seen;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

/// For how long a pod may fail to get its image or what it names: a registry or a controller may only be slow.
const PATIENCE: Duration = Duration::from_secs(20);
/// For how long a controller may fail to make pods.
const CREATION: Duration = Duration::from_secs(10);
/// Restarts after which a container that ends does not start by itself.
const RESTARTS: i32 = 2;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// For whom wrote the manifest or runs the cluster.
    pub(super) words: String,
    /// Waiting longer does not help.
    pub(super) stands_still: bool,
    /// Whose lines say more: pod, container, and whether those of the one before.
    pub(super) log: Option<(String, String, bool)>,
}

impl Trouble {
    fn of(words: String, stands_still: bool) -> Self {
        Self { words, stands_still, log: None }
    }
}

/// How long ago that was by this machine's clock; nothing for what is still to come.
pub(super) fn age(time: &Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(*time)).unwrap_or_default()
}

/// Everything that is wrong, the worst of each pod.
pub(super) fn of(seen: &Seen, newest: &Newest) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> =
        seen.creation_fails.iter().map(|(why, since)| creation(why, *since)).collect();
    let live = newest.pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
    troubles.extend(live.filter_map(|pod| of_pod(pod, seen.kind == "Job")));
    troubles
}

fn creation(why: &str, since: Duration) -> Trouble {
    let remedy = if why.contains("exceeded quota") {
        "ask for less, or raise the quota of the namespace"
    } else if why.contains("violates PodSecurity") {
        "keep to the pod security of the namespace, or relax it"
    } else if why.contains("serviceaccount") && why.contains("not found") {
        "make the service account, or put it into the manifest"
    } else {
        "correct what is named"
    };
    Trouble::of(format!("FailedCreate: no pod can be made: {why:.1000}; {remedy}"), since >= CREATION)
}

/// Whether every container of a pod says itself that it is ready, and has not ended before.
pub(super) fn vouches(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    containers.clone().all(|one| one.readiness_probe.is_some())
        && statuses.clone().all(|one| one.restart_count == 0)
}

fn of_pod(pod: &Pod, is_job: bool) -> Option<Trouble> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    if pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()) {
        return unplaced(pod, name);
    }
    let age = pod.metadata.creation_timestamp.as_ref().map_or(Duration::ZERO, |time| age(&time.0));
    let init = status.init_container_statuses.iter().flatten();
    let mut all = init.chain(status.container_statuses.iter().flatten());
    let image_or_crash =
        all.find_map(|container| waiting(name, container, age).or_else(|| crash(name, container, is_job)));
    image_or_crash.or_else(|| unready(name, status.container_statuses.as_deref().unwrap_or_default(), is_job))
}

fn unplaced(pod: &Pod, name: &str) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    let message = condition.message.as_deref().unwrap_or_default();
    let remedy = if message.contains("Insufficient") {
        "lower `resources.requests`, or add nodes"
    } else if message.contains("taint") {
        "tolerate the taint, or add nodes without it"
    } else if message.contains("selector") || message.contains("affinity") {
        "check `nodeSelector` and `affinity` against the labels of the nodes"
    } else if message.contains("persistentvolumeclaim") {
        "make the claim, or put it into the manifest"
    } else {
        "look at the nodes with `kubectl get nodes`"
    };
    // Nodes may be on their way, so it is left to the time that the rollout has.
    Some(Trouble::of(format!("Unschedulable: no node takes pod `{name}`: {message:.1000}; {remedy}"), false))
}

fn waiting(pod: &str, container: &ContainerStatus, age: Duration) -> Option<Trouble> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let (remedy, hopeless) = match reason {
        "ErrImagePull" | "ImagePullBackOff" => {
            ("check its name, that the nodes reach its registry, and `imagePullSecrets`", age >= PATIENCE)
        }
        "InvalidImageName" => ("correct the image's name", true),
        "ErrImageNeverPull" => ("put the image onto the nodes, or let it be pulled", true),
        "CreateContainerConfigError" => {
            ("make what the container names, or put it into the manifest", age >= PATIENCE)
        }
        "CreateContainerError" | "RunContainerError" => {
            ("look at the pod's events with `kubectl describe pod`", age >= PATIENCE)
        }
        _ => return None,
    };
    let words = format!(
        "{reason}: container `{}` of pod `{pod}` does not start from `{}`: {message:.1000}; {remedy}",
        container.name, container.image
    );
    Some(Trouble::of(words, hopeless))
}

/// A container that ends again and again. By the count of its restarts, so that it is the same while it is being started once more.
fn crash(pod: &str, container: &ContainerStatus, is_job: bool) -> Option<Trouble> {
    let running = container.state.as_ref().and_then(|state| state.running.as_ref()).is_some();
    let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    let before = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    if container.ready || (is_job && now.is_none_or(|ended| ended.exit_code == 0)) {
        return None;
    }
    let ended = now.or(before)?;
    // An init container that has done its work.
    if now.is_some_and(|ended| ended.exit_code == 0) && container.restart_count == 0 {
        return None;
    }
    let why = match ended.reason.as_deref() {
        Some("OOMKilled") => {
            "it needed more memory than its limit (OOMKilled); raise `resources.limits.memory`".to_owned()
        }
        _ => format!("it ends with exit code {}; look at its last lines", ended.exit_code),
    };
    let times = match container.restart_count {
        0 => String::new(),
        1 => ", restarted once".to_owned(),
        count => format!(", restarted {count} times"),
    };
    let words = format!(
        "CrashLoopBackOff: container `{}` of pod `{pod}` does not stay up{times}: {why}",
        container.name
    );
    // The lines of the one that ended are the present ones until the next has started.
    let log = Some((pod.to_owned(), container.name.clone(), running));
    Some(Trouble { words, stands_still: !is_job && container.restart_count >= RESTARTS, log })
}

fn unready(pod: &str, containers: &[ContainerStatus], is_job: bool) -> Option<Trouble> {
    let runs = |one: &&ContainerStatus| one.state.as_ref().is_some_and(|state| state.running.is_some());
    let container = containers.iter().filter(|_| !is_job).filter(runs).find(|one| !one.ready)?;
    let words = format!(
        "NotReady: container `{}` of pod `{pod}` runs and its readiness probe does not succeed; correct the probe, or what it asks",
        container.name
    );
    Some(Trouble { words, stands_still: false, log: Some((pod.to_owned(), container.name.clone(), false)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn pod(node: bool, status: Json) -> Pod {
        let mut pod = json!({"metadata": {"name": "shop-1", "creationTimestamp": "2020-01-01T00:00:00Z"},
                             "spec": {"containers": []}, "status": status});
        if node {
            pod["spec"]["nodeName"] = json!("node");
        }
        serde_json::from_value(pod).unwrap()
    }

    fn container(state: Json, last: Json, restarts: i32) -> Json {
        json!({"containerStatuses": [{"name": "web", "image": "shop:1", "imageID": "", "ready": false,
                                      "restartCount": restarts, "state": state, "lastState": last}]})
    }

    #[test]
    fn each_trouble_is_said_with_its_remedy() {
        let ended = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let backing_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        let pulling = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}});
        let table = [
            (
                pod(
                    false,
                    json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu"}]}),
                ),
                "lower `resources.requests`",
                false,
            ),
            (pod(true, container(pulling, json!({}), 0)), "`shop:1`: no such host; check its name", true),
            (
                pod(true, container(backing_off.clone(), ended.clone(), 1)),
                "restarted once: it ends with exit code 3",
                false,
            ),
            (pod(true, container(json!({"running": {}}), ended, 2)), "restarted 2 times", true),
            (pod(true, container(backing_off, killed, 2)), "raise `resources.limits.memory`", true),
            (pod(true, container(json!({"running": {}}), json!({}), 0)), "readiness probe", false),
        ];
        for (pod, words, stands_still) in table {
            let trouble = of_pod(&pod, false).unwrap();
            assert!(trouble.words.contains(words), "{trouble:?}");
            assert_eq!(trouble.stands_still, stands_still, "{trouble:?}");
        }
        let starting =
            pod(true, container(json!({"waiting": {"reason": "ContainerCreating"}}), json!({}), 0));
        assert_eq!(of_pod(&starting, false), None);
    }

    #[test]
    fn a_pod_vouches_for_itself_with_a_probe_and_without_an_end() {
        let pod = |probe: bool, restarts: i32| {
            let mut pod = pod(true, container(json!({"running": {}}), json!({}), restarts));
            let mut main = json!({"name": "web"});
            if probe {
                main["readinessProbe"] = json!({"httpGet": {"port": 80}});
            }
            pod.spec.as_mut().unwrap().containers = vec![serde_json::from_value(main).unwrap()];
            pod
        };
        assert!(vouches(&pod(true, 0)));
        assert!(!vouches(&pod(false, 0)) && !vouches(&pod(true, 1)));
    }

    #[test]
    fn a_quota_is_named() {
        let trouble = creation("pods \"x\" is forbidden: exceeded quota: small", Duration::from_secs(60));
        assert!(trouble.words.contains("raise the quota") && trouble.stands_still, "{trouble:?}");
    }
}
