//! Why a pod does not start, in words and with the remedy.

use super::helped::KEEPER;
use super::pod::CONTAINER;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use stageway_core::call::EndingReason;

/// What keeps a pod from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// What it ends as when nothing changes.
    pub reason: EndingReason,
    /// For whom wrote the stage or runs the cluster.
    pub words: String,
    /// Waiting longer does not help.
    pub hopeless: bool,
}

/// The status of the task's container.
pub(super) fn container(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == CONTAINER)
}

/// How the task's container ended, where it has.
pub(super) fn of_task(pod: &Pod) -> Option<&ContainerStateTerminated> {
    container(pod)?.state.as_ref()?.terminated.as_ref()
}

/// Whether it has a node.
pub(super) fn is_placed(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

/// What a pod that has not started waits for; none where nothing is known to be wrong.
pub(super) fn waiting(pod: &Pod) -> Option<Waiting> {
    if !is_placed(pod) {
        return unplaced(pod);
    }
    let status = pod.status.as_ref()?;
    // A cluster may put containers of its own before ours.
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    // Without the helper the task could not begin, and the node does not begin with it twice.
    let is_over = |status: &ContainerStatus| status.name == KEEPER && of_task(pod).is_some();
    let each =
        |status| of_container(status).map(|it| Waiting { hopeless: it.hopeless || is_over(status), ..it });
    all.into_iter().find_map(each)
}

fn of_container(status: &ContainerStatus) -> Option<Waiting> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    let image = &status.image;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let (ends_as, remedy, hopeless) = match reason {
        "ErrImagePull" | "ImagePullBackOff" => (
            EndingReason::Image,
            "check its name, that the nodes reach its registry, and `pull-secrets` of the executor",
            false,
        ),
        "InvalidImageName" => (EndingReason::Image, "correct the image's name", true),
        "ErrImageNeverPull" => (EndingReason::Image, "put the image onto the nodes", true),
        "CreateContainerConfigError" => {
            (EndingReason::Image, "give the pod what it names, or name a non-root image", false)
        }
        "CreateContainerError" | "RunContainerError" => {
            (EndingReason::Image, "look at the pod's events with `kubectl describe pod`", false)
        }
        _ => return None,
    };
    let words = format!("{reason}: the image `{image}` does not start: {message:.1000}; {remedy}");
    Some(Waiting { reason: ends_as, words, hopeless })
}

fn unplaced(pod: &Pod) -> Option<Waiting> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False")?;
    let message = condition.message.as_deref().unwrap_or_default();
    let remedy = if message.contains("Insufficient") {
        "lower the limits of the task, or add nodes"
    } else if message.contains("taint") {
        "name the taint under `tolerations` of the executor"
    } else if message.contains("selector") || message.contains("affinity") {
        "check `node-selector` of the executor against the labels of the nodes"
    } else {
        "look at the nodes with `kubectl get nodes`"
    };
    let words = format!("Unschedulable: no node takes the pod: {message:.1000}; {remedy}");
    Some(Waiting { reason: EndingReason::Unschedulable, words, hopeless: false })
}
