//! How long what comes before a process took, from what a cluster tells.
//!
//! Its stamps are whole seconds. What is measured here and in the pod is finer, and stands in annotations and in the helper's record.

use super::cluster::{Cluster, annotation};
use super::name::{CREATED, QUEUED};
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use stageway_core::task::TaskTimes;
use std::time::Duration;

/// A start that took longer is asked about: its events cost the cluster more, the more there are.
const SLOW: u64 = 2_000;
/// The most events of one pod that are read; one is an image of one container.
const EVENTS: u32 = 64;
/// For how long they are waited for.
const ANSWERS: Duration = Duration::from_secs(5);

/// When something of a pod ran first, in milliseconds since 1970.
#[derive(Clone, Copy)]
pub(super) enum Began {
    /// As the cluster stamps it: whole seconds.
    Stamped(u64),
    /// As the helper measured it.
    Measured(u64),
}

/// The times before a pod's first process, the way of its images counted to its start. `began` is none where it never did.
pub(super) fn before(pod: &Pod, began: Option<Began>) -> TaskTimes {
    let created = ms(pod.metadata.creation_timestamp.as_ref());
    let scheduled_ms = placed(pod).saturating_sub(created);
    let since_creation = match began {
        None => 0,
        Some(Began::Stamped(at)) => at.saturating_sub(created),
        Some(Began::Measured(at)) => at.saturating_sub(annotated(pod, CREATED).unwrap_or(created)),
    };
    TaskTimes {
        queued_ms: annotated(pod, QUEUED).unwrap_or(0),
        scheduled_ms,
        started_ms: since_creation.saturating_sub(scheduled_ms),
        ..TaskTimes::default()
    }
}

/// Notes in a pod that is being created for how long there was no room for it.
pub(super) fn note(pod: &mut Pod, waited: Duration) {
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(QUEUED.to_owned(), waited.as_millis().to_string());
    annotations.insert(CREATED.to_owned(), now_ms().to_string());
}

/// Takes the way of the images out of a start that was slow. Whoever may not read events, or gets no answer, knows less.
pub(super) async fn tell_pulls_apart(cluster: &Cluster, pod: &Pod, times: &mut TaskTimes) {
    if times.started_ms < SLOW {
        return;
    }
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let selected = format!("involvedObject.uid={uid},reason=Pulled");
    let parameters = ListParams::default().fields(&selected).limit(EVENTS);
    match tokio::time::timeout(ANSWERS, cluster.events.list(&parameters)).await {
        Ok(Ok(events)) => {
            let all: u64 = events.items.iter().filter_map(pull_ms).sum();
            times.pulled_ms = all.min(times.started_ms);
            times.started_ms -= times.pulled_ms;
        }
        Ok(Err(error)) => tracing::debug!(%error, "the events of a pod are not told"),
        Err(_) => tracing::debug!("the events of a pod are not told in time"),
    }
}

/// What a kubelet says: `Successfully pulled image "…" in 1.2s (3.4s including waiting). Image size: …`, with durations of Go; an image
/// that was there has none.
fn pull_ms(event: &Event) -> Option<u64> {
    let message = event.message.as_deref()?;
    let (_, rest) = message.split_once("\" in ")?;
    let whole = match rest.split_once(" (").and_then(|(_, rest)| rest.split_once(" including waiting")) {
        Some((whole, _)) => whole,
        None => rest.split_whitespace().next()?,
    };
    let duration: SignedDuration = whole.parse().ok()?;
    u64::try_from(duration.as_millis()).ok()
}

/// When it got its node.
fn placed(pod: &Pod) -> u64 {
    let Some(status) = &pod.status else { return 0 };
    let mut conditions = status.conditions.iter().flatten();
    let scheduled = conditions.find(|one| one.type_ == "PodScheduled" && one.status == "True");
    ms(scheduled.and_then(|one| one.last_transition_time.as_ref()).or(status.start_time.as_ref()))
}

fn annotated(pod: &Pod, name: &str) -> Option<u64> {
    annotation(pod, name)?.parse().ok()
}

/// A stamp as a number; 0 without one.
pub(super) fn ms(time: Option<&Time>) -> u64 {
    time.and_then(|time| u64::try_from(time.0.as_millisecond()).ok()).unwrap_or(0)
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(annotations: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "creationTimestamp": "2026-01-01T00:00:10Z", "annotations": annotations },
            "status": { "conditions": [
                { "type": "Initialized", "status": "True", "lastTransitionTime": "2026-01-01T00:00:19Z" },
                { "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:12Z" },
            ] },
        }))
        .unwrap()
    }

    const AT_10: u64 = 1_767_225_610_000;

    #[test]
    fn the_parts_before_a_process_are_what_passed_between_the_stamps() {
        let times = before(&pod(json!({})), Some(Began::Stamped(AT_10 + 5_000)));
        assert_eq!((times.queued_ms, times.scheduled_ms, times.started_ms), (0, 2_000, 3_000));
        let known = json!({ QUEUED: "70", CREATED: (AT_10 + 400).to_string() });
        let times = before(&pod(known), Some(Began::Measured(AT_10 + 3_100)));
        assert_eq!((times.queued_ms, times.scheduled_ms, times.started_ms), (70, 2_000, 700));
        let times = before(&pod(json!({ CREATED: "x" })), None);
        assert_eq!((times.scheduled_ms, times.started_ms), (2_000, 0));
        assert_eq!(before(&Pod::default(), None), TaskTimes::default());
    }

    #[test]
    fn the_way_of_an_image_is_read_with_its_waiting() {
        let event = |message: &str| Event { message: Some(message.into()), ..Event::default() };
        for (message, ms) in [
            (
                r#"Successfully pulled image "a" in 1.25s (2m3.5s including waiting). Image size: 7 bytes."#,
                123_500,
            ),
            (
                r#"Successfully pulled image "a" in 87ms (87.25ms including waiting). Image size: 7 bytes."#,
                87,
            ),
            (r#"Successfully pulled image "a" in 1h2m3.5s"#, 3_723_500),
            (r#"Successfully pulled image "a" in 900µs (910µs including waiting). Image size: 7 bytes."#, 0),
        ] {
            assert_eq!(pull_ms(&event(message)), Some(ms), "{message}");
        }
        for message in [
            r#"Container image "a" already present on machine"#,
            r#"Container image "a" already present on machine and can be accessed by the pod"#,
            r#"Successfully pulled image "a" in -1s (-1s including waiting)"#,
            r#"Successfully pulled image "a" in "#,
            r#"Successfully pulled image "a" in x (y including waiting)"#,
        ] {
            assert_eq!(pull_ms(&event(message)), None, "{message}");
        }
        assert_eq!(pull_ms(&Event::default()), None);
    }
}
