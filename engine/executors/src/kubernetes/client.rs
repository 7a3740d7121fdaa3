//! The executor: every call is a few requests to the cluster, and nothing about a task lives in this process.

use super::ending::{Standing, standing};
use super::log::{self, Place};
use super::options::KubernetesOptions;
use super::waiting::{Waiting, waiting};
use super::{name, pod, secret};
use crate::reach::{self, OpenError};
use async_trait::async_trait;
use futures::{AsyncBufRead, StreamExt};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, WatchParams};
use kube::{Api, Error};
use serde_json::{Value as Json, json};
use stageway_core::name::TaskName;
use stageway_core::task::{TaskEnding, TaskSpec, TaskState};
use stageway_ports::{Chunk, Cursor, Executor, Incarnation, SecretValues, TaskError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// For how long a watch is believed before the pod is looked at again.
const LOOK: Duration = Duration::from_secs(10);
/// Between two looks where a watch cannot be had, and at an output that has nothing yet.
const PAUSE: Duration = Duration::from_millis(300);
/// Pods of one page of a sweep.
const PAGE: u32 = 500;
/// The most bytes of one chunk of output.
const CHUNK: usize = 1 << 20;

/// Runs tasks as pods of one namespace.
///
/// # Guarantees
/// A task is started at most once: its pod is made under a name that follows from the task's, and never restarts.
///
/// # Assumptions
/// The namespace exists, and the account may get, list, watch, create, patch and delete its pods, read their logs, and create its
/// secrets.
pub struct KubernetesExecutor {
    options: KubernetesOptions,
    pods: Api<Pod>,
    secrets: Api<Secret>,
}

impl KubernetesExecutor {
    /// An executor of a namespace. Nothing is asked of the cluster yet.
    ///
    /// # Errors
    /// When no configuration says how the cluster is reached, or no client can be made of it.
    pub async fn open(options: KubernetesOptions) -> Result<Self, OpenError> {
        let client = reach::client(options.kubeconfig.as_deref(), options.context.as_deref()).await?;
        let pods = Api::namespaced(client.clone(), &options.namespace);
        let secrets = Api::namespaced(client, &options.namespace);
        Ok(Self { options, pods, secrets })
    }

    async fn pod(&self, name: &TaskName) -> Result<Option<Pod>, TaskError> {
        self.pods.get_opt(&name::pod(name)).await.map_err(unavailable)
    }

    async fn known(&self, name: &TaskName) -> Result<Pod, TaskError> {
        self.pod(name).await?.ok_or_else(|| TaskError::Unknown(name.clone()))
    }

    async fn create(&self, name: &TaskName, pod: &Pod) -> Result<Pod, TaskError> {
        match self.pods.create(&PostParams::default(), pod).await {
            // Somebody else's answer to the same question: another engine, or this one before it was killed.
            Err(Error::Api(status)) if status.is_already_exists() => self.known(name).await,
            made => made.map_err(refused),
        }
    }

    async fn annotate(&self, pod: &str, annotation: &str, value: &str) -> Result<(), TaskError> {
        self.patch(pod, &json!({ "metadata": { "annotations": { annotation: value } } })).await
    }

    async fn patch(&self, pod: &str, patch: &Json) -> Result<(), TaskError> {
        gone_is_fine(self.pods.patch(pod, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop))
    }

    async fn delete(&self, pod: &str, grace_s: u32) -> Result<(), TaskError> {
        let parameters = DeleteParams::default().grace_period(grace_s);
        gone_is_fine(self.pods.delete(pod, &parameters).await.map(drop))
    }

    /// Ends a task that does not start, and keeps why.
    async fn give_up(&self, pod: &str, waiting: &Waiting) -> Result<(), TaskError> {
        let why = format!("{} {}", waiting.reason.as_str(), waiting.words);
        self.annotate(pod, name::REFUSED, &why).await?;
        self.delete(pod, 1).await
    }

    /// Returns when the pod may have changed, at the latest after a while.
    async fn changed(&self, pod: &Pod, within: Duration) {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let version = pod.metadata.resource_version.as_deref().unwrap_or_default();
        let seconds = u32::try_from(LOOK.as_secs()).unwrap_or(10);
        let parameters = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(seconds);
        let watch = async {
            match self.pods.watch(&parameters, version).await {
                Ok(events) => drop(Box::pin(events).next().await),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        let _ = tokio::time::timeout(within.min(LOOK), watch).await;
    }

    async fn log(&self, name: &TaskName, from: &Place) -> Result<impl AsyncBufRead + Unpin, Error> {
        let parameters = LogParams {
            container: Some(pod::CONTAINER.into()),
            timestamps: true,
            since_time: from.since(),
            ..LogParams::default()
        };
        self.pods.log_stream(&name::pod(name), &parameters).await.map(Box::pin)
    }

    /// An ending with the bytes that were written.
    async fn ended(&self, name: &TaskName, mut ending: TaskEnding) -> Result<TaskState, TaskError> {
        if let Ok(log) = self.log(name, &Place::default()).await {
            ending.output_bytes = log::length(log).await.map_err(broken)?;
        }
        Ok(TaskState::Ended(Box::new(ending)))
    }
}

/// What the cluster says no to, in its words: a quota, an admission, a right that is missing.
fn refused(error: Error) -> TaskError {
    match error {
        Error::Api(status) if matches!(status.code, 400 | 403 | 404 | 422) => {
            let remedy = match status.message.as_str() {
                message if message.contains("exceeded quota") => {
                    "raise the quota of the namespace, or wait for room in it"
                }
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

fn unavailable(error: Error) -> TaskError {
    match error {
        Error::Api(status) => TaskError::Unavailable(format!("the cluster says: {:.1000}", status.message)),
        other => TaskError::Unavailable(format!("the cluster does not answer: {other}")),
    }
}

fn broken(error: std::io::Error) -> TaskError {
    TaskError::Unavailable(format!("the log breaks off: {error}"))
}

fn gone_is_fine(done: Result<(), Error>) -> Result<(), TaskError> {
    match done {
        Err(Error::Api(status)) if status.is_not_found() => Ok(()),
        done => done.map_err(unavailable),
    }
}

fn incarnation(pod: &Pod) -> Incarnation {
    Incarnation(pod.metadata.uid.clone().unwrap_or_default())
}

fn age(pod: &Pod) -> Duration {
    let made = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let age = made.map(|made| Timestamp::now().duration_since(made));
    age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
}

#[async_trait]
impl Executor for KubernetesExecutor {
    async fn ensure(
        &self,
        name: &TaskName,
        spec: &TaskSpec,
        secrets: &SecretValues,
    ) -> Result<Incarnation, TaskError> {
        let wanted = pod::pod(&self.options, name, spec)?;
        let values = secret::values(&spec.process, secrets)?;
        let pod = match self.pod(name).await? {
            Some(pod) => pod,
            None => self.create(name, &wanted).await?,
        };
        let known = incarnation(&pod);
        // The pod is the claim, so it comes first; its container waits for what it names.
        if let Some(values) =
            values.filter(|_| !matches!(standing(&pod), Standing::Ended(_) | Standing::Lost))
        {
            let object = secret::object(&name::pod(name), &known.0, values);
            match self.secrets.create(&PostParams::default(), &object).await {
                Err(Error::Api(status)) if status.is_already_exists() => {}
                made => drop(made.map_err(refused)?),
            }
        }
        Ok(known)
    }

    async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, TaskError> {
        let begun = Instant::now();
        loop {
            let pod = match (self.pod(name).await?, known) {
                (Some(pod), None) => pod,
                (Some(pod), Some(known)) if incarnation(&pod) == *known => pod,
                (_, Some(_)) => return Ok(TaskState::Lost),
                (None, None) => return Err(TaskError::Unknown(name.clone())),
            };
            let now = match standing(&pod) {
                Standing::Ended(ending) => return self.ended(name, *ending).await,
                Standing::Lost => return Ok(TaskState::Lost),
                Standing::Queued => TaskState::Queued,
                Standing::Running => TaskState::Running,
            };
            if let Some(waiting) = waiting(&pod).filter(|_| pod.metadata.deletion_timestamp.is_none())
                && (waiting.hopeless || age(&pod) >= self.options.start_within)
            {
                self.give_up(&name::pod(name), &waiting).await?;
                continue;
            }
            let left = within.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(now);
            }
            self.changed(&pod, left).await;
        }
    }

    async fn output(&self, name: &TaskName, from: &Cursor, max: usize) -> Result<Chunk, TaskError> {
        let place = Place::parse(from)
            .ok_or_else(|| TaskError::Refused("the cursor is not one of this executor".into()))?;
        let pod = self.known(name).await?;
        let ended = matches!(standing(&pod), Standing::Ended(_) | Standing::Lost);
        let (mut next, offset) = (place, place.offset);
        let (bytes, whole) = match self.log(name, &place).await {
            Ok(log) => log::read(log, &mut next, max.min(CHUNK)).await.map_err(broken)?,
            // There is no container yet, or there never was one.
            Err(Error::Api(status)) if matches!(status.code, 400 | 404) => (Vec::new(), true),
            Err(error) => return Err(unavailable(error)),
        };
        let end = ended && whole;
        if bytes.is_empty() && !end {
            self.changed(&pod, PAUSE).await;
        }
        Ok(Chunk { bytes, offset, next: next.cursor(), end })
    }

    async fn cancel(&self, name: &TaskName, grace: Duration) -> Result<(), TaskError> {
        let pod = self.known(name).await?;
        if matches!(standing(&pod), Standing::Ended(_) | Standing::Lost) {
            return Ok(());
        }
        let grace = u32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
        self.annotate(&name::pod(name), name::CANCELLED, "true").await?;
        self.delete(&name::pod(name), grace).await
    }

    async fn forget(&self, name: &TaskName) -> Result<(), TaskError> {
        let Some(pod) = self.pod(name).await? else { return Ok(()) };
        if !matches!(standing(&pod), Standing::Ended(_) | Standing::Lost) {
            return Err(TaskError::Refused(format!("task `{name}` has not ended")));
        }
        self.delete(&name::pod(name), 0).await?;
        let others = pod.metadata.finalizers.unwrap_or_default();
        let others: Vec<_> = others.into_iter().filter(|one| one != name::FINALIZER).collect();
        self.patch(&name::pod(name), &json!({ "metadata": { "finalizers": others } })).await
    }

    async fn toolbox(&self) -> Result<BTreeMap<String, String>, TaskError> {
        let image = self.options.toolbox.clone().unwrap_or_default();
        Ok(BTreeMap::from([("image".to_owned(), image)]))
    }

    async fn sweep(&self) -> Result<Vec<TaskName>, TaskError> {
        let mut parameters = ListParams::default().labels(name::OURS).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = self.pods.list(&parameters).await.map_err(unavailable)?;
            let names =
                page.items.iter().filter_map(|pod| pod.metadata.annotations.as_ref()?.get(name::TASK));
            found.extend(names.filter_map(|name| TaskName::new(name.as_str()).ok()));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}
