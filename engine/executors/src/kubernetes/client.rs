//! The executor: every call is a few requests to the cluster, and what is known about a task lies there.

use super::cluster::{Cluster, PAUSE, age, annotation, broken, incarnation, refused, unavailable};
use super::ending::{Standing, has_begun, standing};
use super::follow::{Followed, Follows};
use super::helped::is_deserted;
use super::helper::Helper;
use super::log::{self, Place};
use super::options::KubernetesOptions;
use super::patient::patiently;
use super::shepherd::Shepherds;
use super::tend::{is_helped, kept};
use super::times::tell_pulls_apart;
use super::waiting::waiting;
use super::{name, pod, secret};
use crate::reach::{ANSWER, OpenError};
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskEnding, TaskSpec, TaskState};
use stageway_parcel::told::Asked;
use stageway_ports::{Blobs, Chunk, Cursor, Executor, Incarnation, SecretValues, TaskError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pods of one page of a sweep.
const PAGE: u32 = 500;
/// The most bytes of one chunk of output.
const CHUNK: usize = 1 << 20;
/// For how long is waited for the beginning of a container before its log is asked for all the same.
const BEGINS: Duration = Duration::from_secs(1);
/// For how long the helper waits when there is no output yet.
const OUTPUT: Duration = Duration::from_secs(2);
/// How long is waited for more of an output that is followed, where there is some.
const MOMENT: Duration = Duration::from_millis(10);
/// What stands before the offset in a cursor of an output that the helper keeps.
const KEPT: &str = "kept;";

/// Runs tasks as pods of one namespace.
///
/// # Guarantees
/// A task is started at most once: its pod is made under a name that follows from the task's, and never restarts.
///
/// # Assumptions
/// The namespace exists, and the account may get, list, watch, create, patch and delete its pods, read their logs, run commands in
/// them (get and create `pods/exec`), create its secrets, and list its events: `engine/kubernetes/10-rights.yaml`.
pub struct KubernetesExecutor {
    cluster: Arc<Cluster>,
    shepherds: Shepherds,
    follows: Follows,
}

impl KubernetesExecutor {
    /// An executor of a namespace. Nothing is asked of the cluster yet. Trees come from the blobs, and what tasks leave goes there.
    ///
    /// # Errors
    /// When no configuration says how the cluster is reached, or no client can be made of it.
    pub async fn open(options: KubernetesOptions, blobs: Arc<dyn Blobs>) -> Result<Self, OpenError> {
        let cluster = Arc::new(Cluster::open(options, blobs).await?);
        Ok(Self { shepherds: Shepherds::new(cluster.clone()), cluster, follows: Follows::default() })
    }

    /// Whether a task of that name has a pod.
    ///
    /// # Errors
    /// [`TaskError::Unavailable`].
    pub async fn has(&self, name: &TaskName) -> Result<bool, TaskError> {
        self.cluster.pod(name).await.map(|pod| pod.is_some())
    }

    /// The state of a plain pod, whose status is all there is to know.
    async fn plain(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
        mut pod: Pod,
    ) -> Result<TaskState, TaskError> {
        let begun = Instant::now();
        loop {
            let now = match standing(&pod) {
                Standing::Ended(ending) => return self.ended(name, &pod, *ending).await,
                Standing::Lost => return Ok(TaskState::Lost),
                Standing::Queued => TaskState::Queued,
                Standing::Running => TaskState::Running,
            };
            let waiting = waiting(&pod).filter(|_| pod.metadata.deletion_timestamp.is_none());
            match waiting {
                Some(waiting) if waiting.hopeless || age(&pod) >= self.cluster.options.start_within => {
                    self.cluster.give_up(&name::pod(name), &waiting).await?;
                }
                _ => {
                    let left = within.saturating_sub(begun.elapsed());
                    if left.is_zero() {
                        return Ok(now);
                    }
                    if let Some(told) = self.cluster.changed(&pod, left).await
                        && incarnation(&told) == incarnation(&pod)
                    {
                        pod = (*told).clone();
                        continue;
                    }
                }
            }
            match self.incarnated(name, known).await? {
                Some(again) => pod = again,
                None => return Ok(TaskState::Lost),
            }
        }
    }

    /// The pod of a task; none where another one or nothing is left of the known one.
    async fn incarnated(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
    ) -> Result<Option<Pod>, TaskError> {
        match (self.cluster.pod(name).await?, known) {
            (Some(pod), None) => Ok(Some(pod)),
            (Some(pod), Some(known)) if incarnation(&pod) == *known => Ok(Some(pod)),
            (_, Some(_)) => Ok(None),
            (None, None) => Err(TaskError::Unknown(name.clone())),
        }
    }

    /// An ending with what its pod's status does not tell: the bytes that were written, and the way of its images.
    async fn ended(
        &self,
        name: &TaskName,
        pod: &Pod,
        mut ending: TaskEnding,
    ) -> Result<TaskState, TaskError> {
        tell_pulls_apart(&self.cluster, pod, &mut ending.times).await;
        if let Ok(log) = self.cluster.log(name, &Place::default(), false).await {
            ending.output_bytes = log::length(log).await.map_err(broken)?;
        }
        Ok(TaskState::Ended(Box::new(ending)))
    }

    /// The output that the helper keeps, from an offset on.
    async fn kept(&self, name: &TaskName, pod: &Pod, offset: u64, max: usize) -> Result<Chunk, TaskError> {
        let pod_name = name::pod(name);
        let helper = Helper::of(&self.cluster.pods, &pod_name);
        // Where it does not answer, it does not run yet, or there is nothing left to be read.
        let over = is_deserted(pod) || matches!(standing(pod), Standing::Ended(_) | Standing::Lost);
        // A container that was killed may have left no record of its end, and its output grows no more.
        let (ended, within) = if kept(pod).is_some() { (true, Duration::ZERO) } else { (false, OUTPUT) };
        let read = if over { None } else { helper.output(offset, max.min(CHUNK), within).await.ok() };
        let (bytes, end) = match read {
            Some((bytes, end)) => {
                let end = end || ended && bytes.is_empty();
                (bytes, end)
            }
            None => {
                if !over {
                    self.cluster.changed(pod, PAUSE).await;
                }
                (Vec::new(), over)
            }
        };
        let next = Cursor(format!("{KEPT}{}", offset + bytes.len() as u64));
        Ok(Chunk { bytes, offset, next, end })
    }

    /// The output that the node keeps, from a place on.
    async fn logged(&self, name: &TaskName, pod: &Pod, place: Place, max: usize) -> Result<Chunk, TaskError> {
        let followed = match self.follows.take(name, &place) {
            Some(followed) => Some(followed),
            None => self.follow(name, pod, place).await?,
        };
        let Some(mut followed) = followed else {
            let end = Self::is_over(pod);
            if !end {
                self.cluster.changed(pod, PAUSE).await;
            }
            return Ok(Chunk { bytes: Vec::new(), offset: place.offset, next: place.cursor(), end });
        };
        // What is not followed ends by itself.
        let within = if followed.over { (ANSWER, ANSWER) } else { (PAUSE, MOMENT) };
        let (bytes, whole) = followed.reading.read(max.min(CHUNK), within).await.map_err(broken)?;
        let (next, end) = (followed.reading.place.cursor(), whole && followed.over);
        if !whole {
            self.follows.keep(name, followed, !bytes.is_empty());
        } else if bytes.is_empty() && !end {
            self.cluster.changed(pod, PAUSE).await;
        }
        Ok(Chunk { bytes, offset: place.offset, next, end })
    }

    /// Follows a log from a place on; none where there is no container yet, or there never was one.
    async fn follow(&self, name: &TaskName, pod: &Pod, place: Place) -> Result<Option<Followed>, TaskError> {
        let over = Self::is_over(pod);
        if !over && !has_begun(pod) {
            // Mostly nothing has written anything yet; the node tells late that something runs.
            self.cluster.changed(pod, BEGINS).await;
        }
        match self.cluster.log(name, &place, !over).await {
            Ok(log) => Ok(Some(Followed::new(log, place, over))),
            Err(Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whether a task has ended, as far as its pod says.
    fn is_over(pod: &Pod) -> bool {
        kept(pod).is_some() || matches!(standing(pod), Standing::Ended(_) | Standing::Lost)
    }
}

#[async_trait]
impl Executor for KubernetesExecutor {
    async fn ensure(
        &self,
        name: &TaskName,
        spec: &TaskSpec,
        secrets: &SecretValues,
    ) -> Result<Incarnation, TaskError> {
        let wanted = pod::pod(&self.cluster.options, name, spec)?;
        let values = secret::values(spec, secrets)?;
        let pod = match self.cluster.pod(name).await? {
            Some(pod) => pod,
            None => self.cluster.create_in_turn(name, wanted).await?,
        };
        let known = incarnation(&pod);
        // The pod is the claim, so it comes first; its container waits for what it names.
        if let Some(values) = values.filter(|_| !Self::is_over(&pod)) {
            let object = secret::object(&name::pod(name), &known.0, values);
            let parameters = PostParams::default();
            match patiently(|| self.cluster.secrets.create(&parameters, &object)).await {
                Err(Error::Api(status)) if status.is_already_exists() => {}
                made => drop(made.map_err(refused)?),
            }
        }
        if is_helped(&pod) && !Self::is_over(&pod) {
            self.shepherds.tend(name, &known);
        }
        Ok(known)
    }

    async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, TaskError> {
        let Some(pod) = self.incarnated(name, known).await? else { return Ok(TaskState::Lost) };
        if !is_helped(&pod) {
            return self.plain(name, known, within, pod).await;
        }
        match kept(&pod) {
            Some(ending) => Ok(TaskState::Ended(ending)),
            None => self.shepherds.state(name, &incarnation(&pod), within).await,
        }
    }

    async fn output(&self, name: &TaskName, from: &Cursor, max: usize) -> Result<Chunk, TaskError> {
        let foreign = || TaskError::Refused("the cursor is not one of this executor".into());
        let pod = self.cluster.seen(name).await?;
        if is_helped(&pod) {
            let offset = if from.0.is_empty() { Some("0") } else { from.0.strip_prefix(KEPT) };
            let offset = offset.and_then(|text| text.parse().ok()).ok_or_else(foreign)?;
            return self.kept(name, &pod, offset, max).await;
        }
        let place = Place::parse(from).ok_or_else(foreign)?;
        self.logged(name, &pod, place, max).await
    }

    async fn cancel(&self, name: &TaskName, grace: Duration) -> Result<(), TaskError> {
        let pod = self.cluster.known(name).await?;
        if Self::is_over(&pod) {
            return Ok(());
        }
        let pod_name = name::pod(name);
        self.cluster.annotate(&pod_name, name::CANCELLED, "true").await?;
        if is_helped(&pod) {
            // With the helper what was written and collected survives; without an answer the pod ends as a whole.
            let asked = Helper::of(&self.cluster.pods, &pod_name).cancel(grace).await;
            if matches!(asked, Ok(Asked::Noted)) {
                self.shepherds.tend(name, &incarnation(&pod));
                return Ok(());
            }
        }
        let grace = u32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
        self.cluster.delete(&pod_name, grace).await
    }

    async fn forget(&self, name: &TaskName) -> Result<(), TaskError> {
        let Some(pod) = self.cluster.pod(name).await? else { return Ok(()) };
        if !Self::is_over(&pod) {
            return Err(TaskError::Refused(format!("task `{name}` has not ended")));
        }
        self.follows.end(name);
        self.cluster.delete(&name::pod(name), 0).await?;
        let others = pod.metadata.finalizers.unwrap_or_default();
        let others: Vec<_> = others.into_iter().filter(|one| one != name::FINALIZER).collect();
        self.cluster.patch(&name::pod(name), &json!({ "metadata": { "finalizers": others } })).await
    }

    async fn toolbox(&self) -> Result<BTreeMap<String, String>, TaskError> {
        let image = self.cluster.options.toolbox.clone().unwrap_or_default();
        Ok(BTreeMap::from([("image".to_owned(), image)]))
    }

    fn unpacks(&self, _: bool) -> bool {
        false
    }

    fn has_identity(&self, name: &str, _: bool) -> bool {
        self.cluster.options.identities.iter().any(|one| one == name)
    }

    async fn sweep(&self) -> Result<Vec<TaskName>, TaskError> {
        let mut parameters = ListParams::default().labels(name::OURS).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = self.cluster.pods.list(&parameters).await.map_err(unavailable)?;
            let names = page.items.iter().filter_map(|pod| annotation(pod, name::TASK));
            found.extend(names.filter_map(|name| TaskName::new(name.as_str()).ok()));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}
