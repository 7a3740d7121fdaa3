//! What others say about a rollout that does not go on: events of its objects, and the last lines of a container. What cannot be had
//! is left out, because the reason is known without it.

use super::pods::Newest;
use super::trouble::Trouble;
use super::typed;
use super::workload::Seen;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Client;
use kube::api::{Api, ListParams, LogParams};
use serde_json::{Value as Json, json};

/// Pods whose events are asked for, events that are shown, and characters of each.
const MOST_PODS: usize = 5;
const MOST_EVENTS: usize = 20;
const MOST_TEXT: usize = 500;
/// Lines and bytes of a log.
const LINES: i64 = 50;
const BYTES: usize = 32 << 10;

/// Warnings about the workload and its newest pods, oldest first.
pub(super) async fn events(client: &Client, seen: &Seen, newest: &Newest) -> Vec<Json> {
    let pods = newest.pods.iter().filter_map(|pod| pod.metadata.uid.clone()).take(MOST_PODS);
    let about = [seen.uid.clone()].into_iter().chain(newest.replica_set.clone()).chain(pods);
    let api: Api<Event> = Api::namespaced(client.clone(), &seen.namespace);
    let mut found: Vec<Event> = Vec::new();
    for uid in about {
        let parameters =
            ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning")).limit(100);
        if let Ok(events) = typed(api.list(&parameters)).await {
            found.extend(events.items);
        }
    }
    let at = |event: &Event| {
        let time = event.last_timestamp.as_ref().map(|time| time.0);
        time.or_else(|| event.event_time.as_ref().map(|time| time.0))
    };
    found.sort_by_key(at);
    let skipped = found.len().saturating_sub(MOST_EVENTS);
    let shown = found.into_iter().skip(skipped).map(|event| {
        let object = &event.involved_object;
        let of = format!(
            "{}/{}",
            object.kind.as_deref().unwrap_or_default(),
            object.name.as_deref().unwrap_or_default()
        );
        let message: String = event.message.as_deref().unwrap_or_default().chars().take(MOST_TEXT).collect();
        json!({"object": of, "reason": event.reason, "message": message, "count": event.count.unwrap_or(1)})
    });
    shown.collect()
}

/// The last lines of the container that is in trouble.
pub(super) async fn logs(client: &Client, namespace: &str, trouble: &Trouble) -> Vec<Json> {
    let Some((pod, container, previous)) = &trouble.log else { return Vec::new() };
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let parameters = |previous: bool| LogParams {
        container: Some(container.clone()),
        previous,
        tail_lines: Some(LINES),
        limit_bytes: i64::try_from(BYTES).ok(),
        ..LogParams::default()
    };
    let mut text = typed(api.logs(pod, &parameters(*previous))).await.unwrap_or_default();
    if text.is_empty() {
        text = typed(api.logs(pod, &parameters(!*previous))).await.unwrap_or_default();
    }
    if text.is_empty() {
        return Vec::new();
    }
    let cut = (0..=text.len().min(BYTES)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(cut);
    vec![json!({"pod": pod, "container": container, "text": text})]
}
