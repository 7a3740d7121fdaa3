//! How a task ended, from the status of its pod.

use super::cluster::annotation;
use super::helped::of_keeper;
use super::name::{CANCELLED, REFUSED};
use super::pod::CONTAINER;
use super::times::{Began, before, ms};
use super::waiting::{container, is_placed, of_task};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use serde_json::Value as Json;
use stageway_core::call::EndingReason;
use stageway_core::task::{TaskEnding, TaskTimes};
use stageway_parcel::told::End;
use std::collections::BTreeMap;

/// The longest message of an ending, in bytes.
const MESSAGE: usize = 4096;
const OUT_OF_MEMORY: &str = "OOMKilled: it used more memory than its limit; raise the limit of the task";

/// What a status says of a task's life.
#[derive(Debug, PartialEq)]
pub(super) enum Standing {
    /// It has no node yet.
    Queued,
    /// It has a node, and has not ended.
    Running,
    /// It has ended; how much it wrote is not known yet.
    Ended(Box<TaskEnding>),
    /// Somebody else deleted it, or its node is gone.
    Lost,
}

/// Whether the container of the task runs or ran, as far as its pod says.
pub(super) fn has_begun(pod: &Pod) -> bool {
    let state = container(pod).and_then(|status| status.state.as_ref());
    state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// Reads a pod.
pub(super) fn standing(pod: &Pod) -> Standing {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let why = status.and_then(|status| status.reason.as_deref()).unwrap_or_default();
    let said = status.and_then(|status| status.message.as_deref()).unwrap_or_default();
    let deleted = pod.metadata.deletion_timestamp.is_some();
    let end = of_task(pod);
    let never_placed = deleted && !is_placed(pod);
    if !matches!(phase, "Succeeded" | "Failed") && !never_placed {
        return if is_placed(pod) { Standing::Running } else { Standing::Queued };
    }
    let told = |reason, message: String| Standing::Ended(Box::new(ending(pod, end, reason, message)));
    if let Some((reason, words)) = annotation(pod, REFUSED).and_then(|text| text.split_once(' ')) {
        let reason = if reason == EndingReason::Image.as_str() {
            EndingReason::Image
        } else {
            EndingReason::Unschedulable
        };
        return told(reason, words.to_owned());
    }
    match (why, end) {
        _ if annotation(pod, CANCELLED).is_some() => told(EndingReason::Cancelled, String::new()),
        ("DeadlineExceeded", _) => told(EndingReason::TimedOut, String::new()),
        ("Evicted" | "NodeLost" | "NodeShutdown" | "Terminated" | "NodeAffinity" | "Preempting", _) => told(
            EndingReason::Lost,
            format!(
                "{why}: {said:.1000}; the node gave it up: run the stage again, with room for what it uses"
            ),
        ),
        (_, Some(end)) => match (by_container(end), deleted) {
            (Some((reason, message)), _) => told(reason, message),
            (None, true) => Standing::Lost,
            (None, false) => told(EndingReason::Exited, message(end)),
        },
        (_, None) => Standing::Lost,
    }
}

/// What only the runtime knows of an end; none is an exit with a code.
fn by_container(end: &ContainerStateTerminated) -> Option<(EndingReason, String)> {
    match end.reason.as_deref() {
        // It had ended before somebody deleted it, or it would have been killed by that.
        Some("Completed") => Some((EndingReason::Exited, message(end))),
        Some("OOMKilled") => Some((EndingReason::OutOfMemory, OUT_OF_MEMORY.into())),
        Some("StartError" | "ContainerCannotRun") => Some((EndingReason::Image, message(end))),
        _ => None,
    }
}

/// How a task ended whose container has, with the helper in it, before that could say anything; none where it has not.
pub(super) fn of_container(pod: &Pod) -> Option<TaskEnding> {
    let end = of_task(pod)?;
    let (reason, message) = match by_container(end) {
        Some((reason @ (EndingReason::OutOfMemory | EndingReason::Image), message)) => (reason, message),
        _ if pod.metadata.deletion_timestamp.is_some() => return None,
        _ => return Some(unknown(pod)),
    };
    Some(ending(pod, Some(end), reason, message))
}

/// A task whose container left no record.
pub(super) fn unknown(pod: &Pod) -> TaskEnding {
    let end = of_task(pod);
    let how = end.map(|end| format!(" with code {}", end.exit_code)).unwrap_or_default();
    let words = format!("its container ended{how} and left no record: run the stage again");
    ending(pod, end, EndingReason::Lost, words)
}

/// How a task ended as the status of its container alone tells it, when the helper beside it is gone; none as long as it runs.
pub(super) fn without_helper(pod: &Pod) -> Option<TaskEnding> {
    let end = of_task(pod)?;
    let (reason, message) = match (by_container(end), of_keeper(pod)) {
        // The program that it was to begin with is the helper.
        (Some((reason @ EndingReason::Image, _)), Some(keeper)) => {
            let (code, said) = (keeper.exit_code, message(keeper));
            let words = format!(
                "the helper did not come into the pod: it ended with code {code}: {said}; run the stage again"
            );
            (reason, words)
        }
        (told, _) => told.unwrap_or_else(|| (EndingReason::Exited, message(end))),
    };
    Some(ending(pod, Some(end), reason, message))
}

/// How a task ended as the helper tells it.
pub(super) fn told(pod: &Pod, end: &End) -> TaskEnding {
    let reason = serde_json::from_value(Json::String(end.reason.clone())).unwrap_or(EndingReason::Lost);
    let message = match reason {
        EndingReason::OutOfMemory if end.message.is_empty() => OUT_OF_MEMORY.to_owned(),
        _ => end.message[..end.message.floor_char_boundary(MESSAGE)].to_owned(),
    };
    let known = ending(pod, None, reason, message);
    TaskEnding {
        code: end.code,
        times: TaskTimes {
            prepared_ms: end.tree_ms,
            services_ms: end.services_ms,
            ran_ms: end.ran_ms,
            started_at_ms: end.started_at_ms,
            ..before(pod, Some(Began::Measured(end.entered_at_ms)))
        },
        cpu_ms: Some(end.cpu_ms).filter(|_| end.ran),
        peak_memory_bytes: end.peak_memory_bytes.filter(|_| end.ran),
        output_bytes: end.output_bytes,
        ..known
    }
}

fn message(end: &ContainerStateTerminated) -> String {
    end.message.clone().unwrap_or_default().chars().take(1024).collect()
}

fn ending(
    pod: &Pod,
    end: Option<&ContainerStateTerminated>,
    reason: EndingReason,
    message: String,
) -> TaskEnding {
    let started = ms(end.and_then(|end| end.started_at.as_ref()));
    let ended = ms(end.and_then(|end| end.finished_at.as_ref()));
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let task = containers.into_iter().find(|container| container.name == CONTAINER);
    let limits = task.and_then(|task| task.resources.as_ref()?.limits.as_ref());
    TaskEnding {
        code: end.filter(|_| reason == EndingReason::Exited).map(|end| end.exit_code),
        reason,
        message,
        times: TaskTimes {
            ran_ms: if started == 0 { 0 } else { ended.saturating_sub(started) },
            started_at_ms: started,
            ..before(pod, (started > 0).then_some(Began::Stamped(started)))
        },
        cpu_ms: None,
        peak_memory_bytes: None,
        collected: BTreeMap::new(),
        missing: BTreeMap::new(),
        limits_by: if limits.is_some() { "kubernetes" } else { "none" }.into(),
        output_bytes: 0,
    }
}
