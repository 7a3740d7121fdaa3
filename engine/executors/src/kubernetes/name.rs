//! Names and labels of what belongs to a task.

use stageway_core::digest::Digest;
use stageway_core::name::TaskName;
use stageway_core::task::{Network, Owner};
use std::collections::BTreeMap;

/// Keeps a pod until it is forgotten.
pub(super) const FINALIZER: &str = "stageway.dev/task";
/// The task's name: an annotation, because it may be longer than a label.
pub(super) const TASK: &str = "stageway.dev/task";
/// For how long the task waited for room before it was created, in milliseconds.
pub(super) const QUEUED: &str = "stageway.dev/queued-ms";
/// When that was, by the clock of the engine, in milliseconds since 1970.
pub(super) const CREATED: &str = "stageway.dev/created-ms";
/// Says that the engine asked the pod to end.
pub(super) const CANCELLED: &str = "stageway.dev/cancelled";
/// Says that the task never started, and why.
pub(super) const REFUSED: &str = "stageway.dev/refused";
/// Says what goes into the pod and what comes back; there where the helper is.
pub(super) const BRIEF: &str = "stageway.dev/brief";
/// Says which container people mean: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
pub(super) const DEFAULT: &str = "kubectl.kubernetes.io/default-container";
/// How the task ended, with what was collected: the answer to whoever asks from then on.
pub(super) const ENDING: &str = "stageway.dev/ending";
/// Selects every pod of ours.
pub(super) const OURS: &str = "app.kubernetes.io/managed-by=stageway";

/// The most characters of a label's value.
const LABEL: usize = 63;

/// The pod of a task: a name that is also one of a host.
pub(super) fn pod(task: &TaskName) -> String {
    format!("task-{}", &Digest::of(task.as_str().as_bytes()).hex()[..40])
}

/// What people and sweeps find a pod by.
pub(super) fn labels(owner: &Owner, network: &Network) -> BTreeMap<String, String> {
    let (key, value) = OURS.split_once('=').unwrap_or_default();
    let mut labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let mut set = |name: &str, value: &str| labels.insert(format!("stageway.dev/{name}"), label(value));
    set("tenant", owner.tenant.as_str());
    set("run", owner.run.as_str());
    set("stage", owner.stage.as_str());
    set("attempt", &owner.attempt.to_string());
    // Only the policies of the cluster's operator are a wall; the label is what they select by.
    set("network", if *network == Network::Loopback { "none" } else { "granted" });
    labels
}

/// A value that a label may have: names are longer, and may begin and end with what a label may not.
fn label(value: &str) -> String {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if value.len() <= LABEL && ends(value.chars().next()) && ends(value.chars().last()) {
        return value.to_owned();
    }
    Digest::of(value.as_bytes()).hex()[..40].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_host_and_differs_by_the_task() {
        let (a, b) = (TaskName::new("Run_1.a.1.2").unwrap(), TaskName::new("Run_1.a.1.3").unwrap());
        assert_ne!(pod(&a), pod(&b));
        assert!(
            pod(&a).len() <= 63
                && pod(&a).bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        );
    }

    #[test]
    fn what_no_label_can_hold_is_a_digest() {
        assert_eq!(label("unit-test"), "unit-test");
        for value in ["a".repeat(64).as_str(), "a-", "_a", ""] {
            assert_eq!(label(value).len(), 40, "{value}");
        }
    }
}
