//! Room in the namespace. Where its quota is full, pods are created as others end: one task asks again and again, and those behind
//! it wait for their turn without asking.

use super::cluster::{Cluster, refused};
use super::patient::patiently;
use super::times;
use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::PostParams;
use kube::core::Status;
use stageway_core::name::TaskName;
use stageway_ports::TaskError;
use std::time::{Duration, Instant};

/// Between two times that it is asked whether there is room.
const ASK: Duration = Duration::from_millis(500);

/// What became of a pod that was to be created.
enum Created {
    /// It is there.
    Made(Box<Pod>),
    /// The quota has no room for it, in the cluster's words.
    Full(String),
}

impl Cluster {
    /// Creates a pod; where the quota of the namespace is full, when there is room, at the latest after the time in which tasks
    /// must start. Dropped, it may have been done.
    pub(super) async fn create_in_turn(&self, name: &TaskName, mut pod: Pod) -> Result<Pod, TaskError> {
        let (begun, within) = (Instant::now(), self.options.start_within);
        if let Created::Made(pod) = self.create(name, &mut pod, begun).await? {
            return Ok(*pod);
        }
        let turn = tokio::time::timeout(within, self.turns.lock()).await;
        loop {
            let full = match self.create(name, &mut pod, begun).await? {
                Created::Made(pod) => return Ok(*pod),
                Created::Full(words) => words,
            };
            if turn.is_err() || begun.elapsed() >= within {
                let s = within.as_secs();
                let words = format!("there was no room for {s} s, the cluster says: {full:.1000}");
                return Err(TaskError::Refused(format!(
                    "{words}; raise the quota of the namespace, or start less at once"
                )));
            }
            tokio::time::sleep(ASK).await;
        }
    }

    async fn create(&self, name: &TaskName, pod: &mut Pod, begun: Instant) -> Result<Created, TaskError> {
        let parameters = PostParams::default();
        times::note(pod, begun.elapsed());
        match patiently(|| self.pods.create(&parameters, pod)).await {
            Ok(pod) => Ok(Created::Made(Box::new(pod))),
            // Somebody else's answer to the same question: another engine, or this one before it was killed.
            Err(Error::Api(status)) if status.is_already_exists() => {
                self.known(name).await.map(|pod| Created::Made(Box::new(pod)))
            }
            Err(Error::Api(status)) if is_full(&status) => Ok(Created::Full(status.message)),
            Err(error) => Err(refused(error)),
        }
    }
}

/// Whether there may be room later: the quota is full, or so many were counted at once that the API server gave up
/// (its admission tries thrice, and tells of the conflict then).
fn is_full(status: &Status) -> bool {
    status.code == 403 && status.message.contains("exceeded quota") || status.is_conflict()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_many_count_at_once_is_asked_again() {
        let says = |code, reason: &str, message: &str| {
            let (reason, message) = (reason.to_owned(), message.to_owned());
            is_full(&Status { code, reason, message, ..Status::default() })
        };
        assert!(says(403, "Forbidden", "pods \"a\" is forbidden: exceeded quota: tenant"));
        assert!(says(409, "Conflict", "Operation cannot be fulfilled on resourcequotas \"tenant\""));
        assert!(!says(403, "Forbidden", "pods \"a\" is forbidden: violates PodSecurity"));
        assert!(!says(409, "AlreadyExists", "pods \"a\" already exists"));
    }
}
