//! One pod with the helper, tended from its creation to its end: the tree goes in, its end is waited for, and what it left comes out.
//!
//! Everything that is done stands in the pod, so whoever tends it may be stopped anywhere and somebody else goes on: a tree is taken
//! once, a process is started once, and what was collected is kept with the ending.

use super::bring::{Stopped, bring};
use super::cluster::{Cluster, PAUSE, age, annotation, incarnation};
use super::ending::{self, Standing, standing};
use super::gather::Gather;
use super::helped::{Brief, is_attended, is_deserted};
use super::helper::{Helper, Running};
use super::name;
use super::times::tell_pulls_apart;
use super::waiting::{Waiting, is_placed, waiting};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use stageway_core::call::EndingReason;
use stageway_core::digest::Digest;
use stageway_core::name::TaskName;
use stageway_core::task::{Collected, TaskEnding, TaskState};
use stageway_parcel::told::{End, Told};
use stageway_ports::TaskError;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::warn;

/// For how long the helper is asked to wait with its answer.
const WAITS: Duration = Duration::from_secs(25);
/// After how long a helper that is being started is tried again for the first time, and how many tries there are: the cluster tells
/// that it runs a second later. Each waits for a sixth longer than the one before, eight seconds in all.
const SOON: Duration = Duration::from_millis(60);
const KNOCKS: u32 = 20;
/// How often a tree is sent, and each path asked for, before that is given up.
const TRIES: u32 = 6;
/// How often all of it is begun again before whoever waits is told.
const ROUNDS: u32 = 2;
/// How long the cluster may take to tell of an end that the helper saw nothing of.
const TOLD: Duration = Duration::from_secs(30);

/// Tends one pod.
pub(super) struct Tending<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) name: &'a TaskName,
    pub(super) uid: &'a str,
}

impl Tending<'_> {
    /// Returns when the task has ended or is lost; `tell` is called with what it is until then.
    pub(super) async fn tend(
        &self,
        tell: &(dyn Fn(TaskState) + Send + Sync),
    ) -> Result<TaskState, TaskError> {
        let pod_name = name::pod(self.name);
        let helper = Helper::of(&self.cluster.pods, &pod_name);
        let mut seen = Seen { known: "unknown", heard: false, knocks: 0, tries: 0, fails: 0, gone: None };
        let mut told = None;
        loop {
            let pod = match told.take().filter(|pod: &Arc<Pod>| incarnation(pod).0 == self.uid) {
                Some(pod) => pod,
                None => match self.pod().await? {
                    Some(pod) => Arc::new(pod),
                    None => return Ok(TaskState::Lost),
                },
            };
            if let Some(ending) = kept(&pod) {
                return Ok(TaskState::Ended(ending));
            }
            let brief = brief(&pod);
            let state = match standing(&pod) {
                Standing::Ended(ending) => return Ok(TaskState::Ended(Box::new(without(*ending, &brief)))),
                Standing::Lost => return Ok(TaskState::Lost),
                Standing::Queued => TaskState::Queued,
                Standing::Running => TaskState::Running,
            };
            tell(state);
            if self.gives_up(&pod).await? {
                continue;
            }
            let may_answer = seen.heard || is_attended(&pod) || is_placed(&pod) && seen.knocks < KNOCKS;
            if !may_answer {
                told = self.cluster.changed(&pod, WAITS).await;
                continue;
            }
            // Who is seen to be dead is asked for once more: its record was there before.
            let is_dead = ending::of_container(&pod).is_some();
            if let Some(tree) = brief.tree.as_ref().filter(|_| seen.is_new() && !is_dead) {
                // Where it is already, the helper says so.
                self.send(tree, &pod, &helper, &mut seen).await?;
                continue;
            }
            let heard = tokio::select! {
                heard = helper.wait(if is_dead { "unknown" } else { seen.known }, WAITS) => heard,
                dead = self.dies(&pod), if !is_dead => {
                    told = Some(dead);
                    continue;
                }
            };
            if let Some(state) = self.hear(heard, &pod, &helper, &brief, &mut seen).await? {
                return Ok(state);
            }
        }
    }

    /// Resolves when the container of the task has ended, as far as the cluster tells; with the pod as it is then.
    async fn dies(&self, pod: &Pod) -> Arc<Pod> {
        let mut pod = Arc::new(pod.clone());
        loop {
            match self.cluster.changed(&pod, WAITS).await {
                Some(now) if ending::of_container(&now).is_some() => return now,
                Some(now) => pod = now,
                None => {}
            }
        }
    }

    /// Does what follows from an answer of the helper; answers how it ended when it has.
    async fn hear(
        &self,
        told: io::Result<Told>,
        pod: &Pod,
        helper: &Helper<'_>,
        brief: &Brief,
        seen: &mut Seen,
    ) -> Result<Option<TaskState>, TaskError> {
        match told {
            Ok(Told::Ended(end)) if end.reason != EndingReason::Lost.as_str() => {
                match self.conclude(pod, helper, brief, &end).await? {
                    Ok(state) => return Ok(state),
                    Err(error) if seen.fails >= ROUNDS => {
                        let problem = format!("what the task left does not come back: {error}");
                        return Err(TaskError::Unavailable(problem));
                    }
                    // A pod that is gone says so in the next round.
                    Err(_) => seen.fails += 1,
                }
            }
            // Its container ended before it could write anything down, such as by the bound of memory.
            Ok(Told::Running | Told::Waiting { .. }) if let Some(ending) = ending::of_container(pod) => {
                return self.keep(without(ending, brief)).await;
            }
            Ok(Told::Running) => return Ok(seen.hears("running")),
            Ok(Told::Waiting { tree: true }) => return Ok(seen.hears("tree")),
            Ok(Told::Waiting { tree: false }) => {
                seen.hears("nothing");
                if let Some(tree) = &brief.tree {
                    self.send(tree, pod, helper, seen).await?;
                }
                return Ok(None);
            }
            // Its container is no more, or the cluster asked it to end: why is told by the pod, a little later.
            Ok(Told::Gone | Told::Ended(_)) => {
                let since = *seen.gone.get_or_insert_with(Instant::now);
                let late = (since.elapsed() >= TOLD).then(|| ending::unknown(pod));
                if let Some(ending) = ending::of_container(pod).or(late) {
                    return self.keep(without(ending, brief)).await;
                }
            }
            // It does not run yet, or not any more: the pod says which.
            Err(_) if is_deserted(pod) && pod.metadata.deletion_timestamp.is_none() => {
                if let Some(ending) = ending::without_helper(pod) {
                    return self.keep(without(ending, brief)).await;
                }
            }
            Err(_) => {
                self.cluster.changed(pod, seen.knock()).await;
                return Ok(None);
            }
        }
        self.cluster.changed(pod, PAUSE).await;
        Ok(None)
    }

    /// Sends the tree; ends the pod when it cannot come in.
    async fn send(
        &self,
        tree: &Digest,
        pod: &Pod,
        helper: &Helper<'_>,
        seen: &mut Seen,
    ) -> Result<(), TaskError> {
        let problem = match bring(&*self.cluster.blobs, helper, tree).await {
            Ok(()) => {
                seen.heard = true;
                return Ok(());
            }
            // A container that is being made ends what is run in it without a word.
            Err(Stopped::Broken(_)) if seen.is_new() && !is_attended(pod) => {
                self.cluster.changed(pod, seen.knock()).await;
                return Ok(());
            }
            Err(Stopped::Broken(error)) if seen.tries < TRIES => {
                seen.fails_to_come(self.name, &error).await;
                return Ok(());
            }
            Err(Stopped::Broken(error)) => error.to_string(),
            Err(Stopped::Refused(problem)) => problem,
        };
        let words = format!("the workspace {tree} cannot be put in place: {problem:.1000}");
        let waiting = Waiting { reason: EndingReason::Unschedulable, words, hopeless: true };
        self.cluster.give_up(&name::pod(self.name), &waiting).await
    }

    async fn pod(&self) -> Result<Option<Pod>, TaskError> {
        let pod = self.cluster.pod(self.name).await?;
        Ok(pod.filter(|pod| incarnation(pod).0 == self.uid))
    }

    /// Ends a pod that does not start.
    async fn gives_up(&self, pod: &Pod) -> Result<bool, TaskError> {
        let waiting = waiting(pod).filter(|_| pod.metadata.deletion_timestamp.is_none());
        match waiting {
            Some(waiting) if waiting.hopeless || age(pod) >= self.cluster.options.start_within => {
                self.cluster.give_up(&name::pod(self.name), &waiting).await.map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// Brings back what is collected, and keeps how it all ended; none where the pod changed meanwhile.
    async fn conclude(
        &self,
        pod: &Pod,
        helper: &Helper<'_>,
        brief: &Brief,
        end: &End,
    ) -> Result<io::Result<Option<TaskState>>, TaskError> {
        let began = Instant::now();
        let mut ending = ending::told(pod, end);
        let (mut budget, mut outside) = (brief.collect_bytes, 0);
        for (name, path) in &brief.collect {
            let at = match brief.inside(path) {
                Some(rest) => At::Workspace(rest),
                None => {
                    outside += 1;
                    At::Outside(outside - 1)
                }
            };
            if !end.ran {
                ending.missing.insert(name.clone(), "the task never started".into());
                continue;
            }
            match self.collect(helper, at, &mut budget).await {
                Ok(Ok(collected)) => drop(ending.collected.insert(name.clone(), collected)),
                Ok(Err(problem)) => drop(ending.missing.insert(name.clone(), problem)),
                Err(error) => return Ok(Err(error)),
            }
        }
        if !brief.collect.is_empty() {
            ending.times.collected_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        }
        self.keep(ending).await.map(Ok)
    }

    /// The first who writes it down says how it ended.
    async fn keep(&self, mut ending: TaskEnding) -> Result<Option<TaskState>, TaskError> {
        let Some(pod) = self.pod().await? else { return Ok(Some(TaskState::Lost)) };
        if kept(&pod).is_some() {
            return Ok(None);
        }
        tell_pulls_apart(self.cluster, &pod, &mut ending.times).await;
        let text = serde_json::to_string(&ending).unwrap_or_default();
        let is_kept = self.cluster.keep_ending(&pod, &text).await?;
        Ok(is_kept.then(|| TaskState::Ended(Box::new(ending))))
    }

    fn collect<'a>(
        &'a self,
        helper: &'a Helper<'_>,
        at: At<'a>,
        budget: &'a mut u64,
    ) -> BoxFuture<'a, io::Result<Result<Collected, String>>> {
        Box::pin(self.collected(helper, at, budget))
    }

    async fn collected(
        &self,
        helper: &Helper<'_>,
        at: At<'_>,
        budget: &mut u64,
    ) -> io::Result<Result<Collected, String>> {
        let gather = Gather { blobs: &*self.cluster.blobs, scratch: &self.cluster.options.scratch };
        let mut tries = 0;
        loop {
            let once = async {
                let mut running = match at {
                    At::Workspace(path) => helper.send(path).await?,
                    At::Outside(number) => helper.outside(number).await?,
                };
                let Running { says, broken, .. } = &mut running;
                broken.unless(gather.one(says, budget)).await
            };
            match once.await {
                Err(error) if tries < TRIES => {
                    warn!(task = %self.name, %error, "a path did not come back; it is asked for again");
                    tries += 1;
                    tokio::time::sleep(PAUSE * tries).await;
                }
                done => return done,
            }
        }
    }
}

/// What whoever tends a pod has seen of it.
struct Seen {
    /// What the helper said last.
    known: &'static str,
    /// Whether it has ever answered.
    heard: bool,
    /// How often nobody was there yet.
    knocks: u32,
    /// How often the tree did not come in.
    tries: u32,
    /// How often what it left did not come back.
    fails: u32,
    /// Since when its container is gone without a record.
    gone: Option<Instant>,
}

impl Seen {
    /// Whether the helper may still be starting: it is told of the tree before it is asked for anything.
    fn is_new(&self) -> bool {
        !self.heard && self.knocks < KNOCKS
    }

    /// Nobody was there; answers after how long the next try is made.
    fn knock(&mut self) -> Duration {
        let pause = SOON.mul_f64(1.17_f64.powi(self.knocks.min(KNOCKS).cast_signed()));
        self.knocks = self.knocks.saturating_add(1);
        pause
    }

    /// The tree did not come in.
    async fn fails_to_come(&mut self, name: &TaskName, error: &io::Error) {
        warn!(task = %name, %error, "a workspace did not come in; it is sent again");
        self.tries += 1;
        self.hears("unknown");
        tokio::time::sleep(PAUSE * self.tries).await;
    }

    fn hears(&mut self, known: &'static str) -> Option<TaskState> {
        (self.known, self.heard, self.gone) = (known, true, None);
        None
    }
}

/// Where something that is collected lies.
#[derive(Clone, Copy)]
enum At<'a> {
    Workspace(&'a str),
    Outside(usize),
}

/// The ending that was kept with a pod.
pub(super) fn kept(pod: &Pod) -> Option<Box<TaskEnding>> {
    serde_json::from_str(annotation(pod, name::ENDING)?).ok()
}

/// What is to be done with a pod that has the helper.
pub(super) fn brief(pod: &Pod) -> Brief {
    annotation(pod, name::BRIEF).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| Brief {
        tree: None,
        mount: None,
        collect: BTreeMap::new(),
        collect_bytes: 0,
    })
}

/// Whether a pod has the helper.
pub(super) fn is_helped(pod: &Pod) -> bool {
    annotation(pod, name::BRIEF).is_some()
}

/// An ending that only the pod's status tells: nothing could be collected.
fn without(mut ending: TaskEnding, brief: &Brief) -> TaskEnding {
    let why = "the pod was gone before it could be collected";
    ending.missing = brief.collect.keys().map(|name| (name.clone(), why.to_owned())).collect();
    ending
}
