//! The requests of which everything here is made.

use super::follow::Stream;
use super::log::Place;
use super::options::KubernetesOptions;
use super::patient::patiently;
use super::waiting::Waiting;
use super::watched::Watched;
use super::{name, pod};
use crate::reach::{self, OpenError};
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, LogParams, Patch, PatchParams};
use kube::{Api, Error};
use serde_json::{Value as Json, json};
use stageway_core::name::TaskName;
use stageway_ports::{Blobs, Incarnation, TaskError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Between two looks where a watch cannot be had, and at an output that has nothing yet.
pub(super) const PAUSE: Duration = Duration::from_millis(300);

/// One namespace of a cluster, and the blobs that its tasks read and write.
pub(super) struct Cluster {
    pub(super) options: KubernetesOptions,
    pub(super) pods: Api<Pod>,
    pub(super) secrets: Api<Secret>,
    pub(super) events: Api<Event>,
    pub(super) blobs: Arc<dyn Blobs>,
    /// What the cluster tells of the pods.
    watched: Watched,
    /// Who asks for room in the namespace.
    pub(super) turns: Mutex<()>,
}

impl Cluster {
    pub(super) async fn open(options: KubernetesOptions, blobs: Arc<dyn Blobs>) -> Result<Self, OpenError> {
        let client = reach::client(options.kubeconfig.as_deref(), options.context.as_deref()).await?;
        let pods = Api::namespaced(client.clone(), &options.namespace);
        let secrets = Api::namespaced(client.clone(), &options.namespace);
        let events = Api::namespaced(client, &options.namespace);
        let watched = Watched::new(pods.clone());
        Ok(Self { options, pods, secrets, events, blobs, watched, turns: Mutex::default() })
    }

    pub(super) async fn pod(&self, name: &TaskName) -> Result<Option<Pod>, TaskError> {
        let pod_name = name::pod(name);
        patiently(|| self.pods.get_opt(&pod_name)).await.map_err(unavailable)
    }

    pub(super) async fn known(&self, name: &TaskName) -> Result<Pod, TaskError> {
        self.pod(name).await?.ok_or_else(|| TaskError::Unknown(name.clone()))
    }

    /// The same for whom it is enough to know what was told a moment ago.
    pub(super) async fn seen(&self, name: &TaskName) -> Result<Arc<Pod>, TaskError> {
        match self.watched.told(&name::pod(name)) {
            Some(pod) => Ok(pod),
            None => self.known(name).await.map(Arc::new),
        }
    }

    pub(super) async fn annotate(&self, pod: &str, annotation: &str, value: &str) -> Result<(), TaskError> {
        self.patch(pod, &json!({ "metadata": { "annotations": { annotation: value } } })).await
    }

    pub(super) async fn patch(&self, pod: &str, patch: &Json) -> Result<(), TaskError> {
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        gone_is_fine(patiently(|| self.pods.patch(pod, &parameters, &patch)).await.map(drop))
    }

    pub(super) async fn delete(&self, pod: &str, grace_s: u32) -> Result<(), TaskError> {
        let parameters = DeleteParams::default().grace_period(grace_s);
        gone_is_fine(patiently(|| self.pods.delete(pod, &parameters)).await.map(drop))
    }

    /// Ends a task that does not start, and keeps why.
    pub(super) async fn give_up(&self, pod: &str, waiting: &Waiting) -> Result<(), TaskError> {
        let why = format!("{} {}", waiting.reason.as_str(), waiting.words);
        self.annotate(pod, name::REFUSED, &why).await?;
        self.delete(pod, 1).await
    }

    /// Returns when the pod may have changed, at the latest after a while; with what it is now, where that is known.
    pub(super) async fn changed(&self, pod: &Pod, within: Duration) -> Option<Arc<Pod>> {
        self.watched.changed(pod, within).await
    }

    pub(super) async fn log(&self, name: &TaskName, from: &Place, follow: bool) -> Result<Stream, Error> {
        let parameters = LogParams {
            container: Some(pod::CONTAINER.into()),
            timestamps: true,
            since_time: from.since(),
            follow,
            ..LogParams::default()
        };
        let log = self.pods.log_stream(&name::pod(name), &parameters).await?;
        Ok(Box::new(Box::pin(log)))
    }

    /// Keeps how a task ended, unless somebody changed the pod meanwhile; answers whether it did.
    pub(super) async fn keep_ending(&self, pod: &Pod, ending: &str) -> Result<bool, TaskError> {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let version = &pod.metadata.resource_version;
        let patch =
            json!({ "metadata": { "resourceVersion": version, "annotations": { name::ENDING: ending } } });
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(&patch));
        match patiently(|| self.pods.patch(name, &parameters, &patch)).await {
            Ok(_) => Ok(true),
            Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(false),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// What the cluster says no to, in its words: a quota, an admission, a right that is missing.
pub(super) fn refused(error: Error) -> TaskError {
    match error {
        Error::Api(status) if matches!(status.code, 400 | 403 | 404 | 422) => {
            let remedy = match status.message.as_str() {
                message if message.contains("violates PodSecurity") => {
                    "relax the pod security of the namespace"
                }
                message if message.contains("namespaces") && status.code == 404 => "make the namespace",
                _ => "give the account of the engine this right, or correct what is named",
            };
            TaskError::Refused(format!("the cluster says: {:.1000}; {remedy}", status.message))
        }
        other => unavailable(other),
    }
}

pub(super) fn unavailable(error: Error) -> TaskError {
    match error {
        Error::Api(status) => TaskError::Unavailable(format!("the cluster says: {:.1000}", status.message)),
        other => TaskError::Unavailable(format!("the cluster does not answer: {other}")),
    }
}

pub(super) fn broken(error: std::io::Error) -> TaskError {
    TaskError::Unavailable(format!("the log breaks off: {error}"))
}

fn gone_is_fine(done: Result<(), Error>) -> Result<(), TaskError> {
    match done {
        Err(Error::Api(status)) if status.is_not_found() => Ok(()),
        done => done.map_err(unavailable),
    }
}

/// An annotation of a pod.
pub(super) fn annotation<'p>(pod: &'p Pod, name: &str) -> Option<&'p String> {
    pod.metadata.annotations.as_ref()?.get(name)
}

pub(super) fn incarnation(pod: &Pod) -> Incarnation {
    Incarnation(pod.metadata.uid.clone().unwrap_or_default())
}

pub(super) fn age(pod: &Pod) -> Duration {
    let made = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let age = made.map(|made| Timestamp::now().duration_since(made));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}
