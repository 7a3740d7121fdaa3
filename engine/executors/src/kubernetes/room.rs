//! Room in the namespace. Where its quota is full, pods are created as others end: one task asks again and again, and those behind
//! it wait for their turn without asking.

use super::cluster::{Cluster, refused};
use super::patient::patiently;
use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::PostParams;
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
    pub(super) async fn create_in_turn(&self, name: &TaskName, pod: &Pod) -> Result<Pod, TaskError> {
        if let Created::Made(pod) = self.create(name, pod).await? {
            return Ok(*pod);
        }
        let (begun, within) = (Instant::now(), self.options.start_within);
        let turn = tokio::time::timeout(within, self.turns.lock()).await;
        loop {
            let full = match self.create(name, pod).await? {
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

    async fn create(&self, name: &TaskName, pod: &Pod) -> Result<Created, TaskError> {
        let parameters = PostParams::default();
        match patiently(|| self.pods.create(&parameters, pod)).await {
            Ok(pod) => Ok(Created::Made(Box::new(pod))),
            // Somebody else's answer to the same question: another engine, or this one before it was killed.
            Err(Error::Api(status)) if status.is_already_exists() => {
                self.known(name).await.map(|pod| Created::Made(Box::new(pod)))
            }
            Err(Error::Api(status)) if status.code == 403 && status.message.contains("exceeded quota") => {
                Ok(Created::Full(status.message))
            }
            Err(error) => Err(refused(error)),
        }
    }
}
