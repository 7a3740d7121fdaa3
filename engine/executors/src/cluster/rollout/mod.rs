//! Following a rollout until it has ended or stands still, and saying why.
//!
//! The workload is watched, so that a good end is known at once; it and its pods are looked at again every few seconds, so that no
//! watch is believed for long. What stands still is decided by what the cluster says and by its own times, never by when this process
//! began to look: an engine that takes the wait up again decides the same. Only a good end is held for a moment: a container without a
//! readiness probe counts as ready until it ends.

mod evidence;
mod pods;
mod trouble;
mod workload;

use super::kinds::check_namespace;
use super::told::{asked, told};
use kube::Client;
use serde_json::{Value as Json, json};
use stageway_ports::ClusterError;
use std::time::{Duration, Instant};
use trouble::Trouble;
use workload::{Counts, Seen, State, Workload};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// For how long a good end has to stay one where a container says nothing of itself, or has ended once.
const SETTLE: Duration = Duration::from_secs(5);
/// For how long a cluster may be silent before that is told.
const SILENCE: Duration = Duration::from_secs(60);

/// Follows a rollout for a while at most.
///
/// # Errors
/// `Invalid` for a kind that has no rollout, `NotFound`, and what the cluster refuses; `Unavailable` after a minute of silence.
pub(super) async fn follow(
    client: &Client,
    kind: &str,
    namespace: &str,
    name: &str,
    within: Duration,
) -> Result<Json, ClusterError> {
    check_namespace(namespace)?;
    let workload = Workload::of(client, kind, namespace, name)?;
    let deadline = Instant::now() + within;
    let mut heard = Instant::now();
    let mut good_since = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match look(client, &workload, left.is_zero(), within).await {
            Ok(Look::Ended(answer)) => return Ok(answer),
            Ok(Look::Settling(seen)) => {
                heard = Instant::now();
                let since = *good_since.get_or_insert(heard);
                let left = left.min(SETTLE.saturating_sub(since.elapsed()));
                if left.is_zero() {
                    return Ok(answer(&seen.counts, None, Vec::new(), Vec::new()));
                }
                workload.changed(&seen, left.min(LOOK)).await;
            }
            Ok(Look::Going(seen)) => {
                (heard, good_since) = (Instant::now(), None);
                workload.changed(&seen, left.min(LOOK)).await;
            }
            Err(ClusterError::Unavailable(why)) => {
                if left.is_zero() || heard.elapsed() > SILENCE {
                    return Err(ClusterError::Unavailable(why));
                }
                tokio::time::sleep(left.min(LOOK)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

enum Look {
    Going(Seen),
    /// It is good, and has to stay so.
    Settling(Seen),
    Ended(Json),
}

async fn look(
    client: &Client,
    workload: &Workload,
    is_last: bool,
    within: Duration,
) -> Result<Look, ClusterError> {
    let seen = workload.see().await?;
    if matches!(seen.state, State::Complete) && seen.kind == "Job" {
        return Ok(Look::Ended(answer(&seen.counts, None, Vec::new(), Vec::new())));
    }
    let pods = pods::newest(client, &seen).await?;
    let troubles = trouble::of(&seen, &pods);
    let worst = troubles.iter().find(|trouble| trouble.stands_still).or_else(|| troubles.first());
    let reason = match (&seen.state, worst) {
        // It was good in the moment before its container ended once more.
        (State::Complete, Some(trouble)) if trouble.stands_still => trouble.words.clone(),
        (State::Complete, _) if pods.pods.iter().all(trouble::vouches) => {
            return Ok(Look::Ended(answer(&seen.counts, None, Vec::new(), Vec::new())));
        }
        (State::Complete, _) => return Ok(Look::Settling(seen)),
        (State::Ended(words), None) => words.clone(),
        (State::Ended(words), Some(trouble)) => format!("{words}\n{}", trouble.words),
        (State::Going(_), Some(trouble)) if trouble.stands_still => trouble.words.clone(),
        (State::Going(words), worst) if is_last => timed_out(words, worst, within),
        (State::Going(_), _) => return Ok(Look::Going(seen)),
    };
    let events = evidence::events(client, &seen, &pods).await;
    let logs = match worst {
        Some(trouble) => evidence::logs(client, &seen.namespace, trouble).await,
        None => Vec::new(),
    };
    Ok(Look::Ended(answer(&seen.counts, Some(reason), events, logs)))
}

fn timed_out(going: &str, worst: Option<&Trouble>, within: Duration) -> String {
    let why = worst.map_or_else(
        || "give it more time, or look at its pods with `kubectl describe pod`".to_owned(),
        |trouble| trouble.words.clone(),
    );
    format!("TimedOut: after {} s {going}; {why}", within.as_secs())
}

fn answer(counts: &Counts, reason: Option<String>, events: Vec<Json>, logs: Vec<Json>) -> Json {
    json!({
        "complete": reason.is_none(),
        "reason": reason.unwrap_or_default(),
        "replicas": counts.replicas,
        "updated-replicas": counts.updated,
        "ready-replicas": counts.ready,
        "events": events,
        "logs": logs,
    })
}

/// An answer to a typed request.
async fn typed<T>(request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ClusterError> {
    asked(request).await?.map_err(told)
}
