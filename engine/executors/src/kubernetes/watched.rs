//! What the cluster tells of our pods: one watch of the namespace for all who wait, because each watch of its own is a connection.

use super::cluster::PAUSE;
use super::name;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// For how long the watch is believed before a pod is looked at again.
const LOOK: Duration = Duration::from_secs(10);

/// The pods of ours in a namespace, as the cluster tells of them. Nothing is asked before somebody waits.
pub(super) struct Watched {
    pods: Api<Pod>,
    board: Arc<Board>,
    work: OnceLock<JoinHandle<()>>,
}

/// What was told.
struct Board {
    /// By the names of the pods: of those that are there, and of those that somebody waits for.
    pods: Mutex<HashMap<String, watch::Sender<Told>>>,
    /// Nobody tells anything now.
    silent: watch::Sender<bool>,
}

/// What was told of one pod.
#[derive(Clone, Default)]
enum Told {
    #[default]
    Nothing,
    Is(Arc<Pod>),
    Gone,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(work) = self.work.get() {
            work.abort();
        }
    }
}

impl Watched {
    pub(super) fn new(pods: Api<Pod>) -> Self {
        let board = Board { pods: Mutex::default(), silent: watch::Sender::new(false) };
        Self { pods, board: Arc::new(board), work: OnceLock::new() }
    }

    /// What a pod was when something was told of it last; none where nobody tells, or nothing was told yet.
    pub(super) fn told(&self, name: &str) -> Option<Arc<Pod>> {
        self.listens();
        if *self.board.silent.borrow() {
            return None;
        }
        match &*self.board.lock().get(name)?.borrow() {
            Told::Is(pod) => Some(pod.clone()),
            Told::Nothing | Told::Gone => None,
        }
    }

    fn listens(&self) {
        self.work.get_or_init(|| tokio::spawn(listen(self.pods.clone(), self.board.clone())));
    }

    /// Returns when a pod may have changed since it was as it is given, at the latest after a while; with what it is now, where
    /// that was told.
    pub(super) async fn changed(&self, since: &Pod, within: Duration) -> Option<Arc<Pod>> {
        self.listens();
        let name = since.metadata.name.clone().unwrap_or_default();
        let mut told = self.board.follow(name);
        let mut silent = self.board.silent.subscribe();
        let newer = async {
            let told = told.wait_for(|told| match told {
                Told::Nothing => false,
                Told::Is(pod) => is_newer(pod, since),
                Told::Gone => true,
            });
            match told.await.as_deref() {
                Ok(Told::Is(pod)) => Some(pod.clone()),
                _ => None,
            }
        };
        let nobody_tells = async {
            drop(silent.wait_for(|silent| *silent).await);
            tokio::time::sleep(PAUSE).await;
        };
        let heard = async {
            tokio::select! {
                newer = newer => newer,
                () = nobody_tells => None,
            }
        };
        timeout(within.min(LOOK), heard).await.ok().flatten()
    }
}

impl Board {
    fn follow(&self, name: String) -> watch::Receiver<Told> {
        self.lock().entry(name).or_default().subscribe()
    }

    fn tell(&self, name: String, told: Told) {
        let mut pods = self.lock();
        let is_gone = matches!(told, Told::Gone);
        let sender = pods.entry(name.clone()).or_default();
        sender.send_replace(told);
        // Whoever still waits has heard it.
        if is_gone {
            pods.remove(&name);
        }
    }

    /// Nothing is kept of pods that are not there, or of names that nobody waits for any more.
    fn keep(&self, there: &HashSet<String>) {
        self.lock().retain(|name, sender| {
            let stays = there.contains(name);
            if !stays {
                sender.send_if_modified(|told| match told {
                    Told::Is(_) => {
                        *told = Told::Gone;
                        true
                    }
                    Told::Nothing | Told::Gone => false,
                });
            }
            stays || sender.receiver_count() > 0
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Told>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what is told, for ever. The library goes on after every failure, later and later.
async fn listen(pods: Api<Pod>, board: Arc<Board>) {
    let mut events = pin!(watcher(pods, Config::default().labels(name::OURS)).default_backoff());
    let mut there = HashSet::new();
    while let Some(event) = events.next().await {
        let silent = event.is_err();
        match event {
            Ok(Event::Init) => there.clear(),
            Ok(Event::InitApply(pod)) => {
                let (name, told) = told(pod);
                there.insert(name.clone());
                board.tell(name, told);
            }
            Ok(Event::InitDone) => board.keep(&std::mem::take(&mut there)),
            Ok(Event::Apply(pod)) => {
                let (name, told) = told(pod);
                board.tell(name, told);
            }
            Ok(Event::Delete(pod)) => board.tell(told(pod).0, Told::Gone),
            Err(error) => tracing::debug!(%error, "nothing is told of pods for a while"),
        }
        board.silent.send_if_modified(|was| std::mem::replace(was, silent) != silent);
    }
}

fn told(mut pod: Pod) -> (String, Told) {
    // Who set which field, which nobody asks here and which is most of it.
    pod.metadata.managed_fields = None;
    (pod.metadata.name.clone().unwrap_or_default(), Told::Is(Arc::new(pod)))
}

/// Versions of one kind of object are numbers that grow (Kubernetes 1.35; etcd's revisions before).
fn is_newer(pod: &Pod, than: &Pod) -> bool {
    let version =
        |pod: &Pod| pod.metadata.resource_version.as_deref().and_then(|version| version.parse::<u64>().ok());
    match (version(pod), version(than)) {
        (Some(now), Some(then)) => now > then,
        _ => pod.metadata.resource_version != than.metadata.resource_version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, version: &str) -> Pod {
        let mut pod = Pod::default();
        pod.metadata.name = Some(name.into());
        pod.metadata.resource_version = Some(version.into());
        pod
    }

    fn board() -> Board {
        Board { pods: Mutex::default(), silent: watch::Sender::new(false) }
    }

    #[test]
    fn a_pod_is_newer_by_its_number() {
        assert!(is_newer(&pod("a", "10"), &pod("a", "9")));
        assert!(!is_newer(&pod("a", "9"), &pod("a", "10")) && !is_newer(&pod("a", "9"), &pod("a", "9")));
        assert!(is_newer(&pod("a", "x"), &pod("a", "9")));
    }

    #[test]
    fn what_is_gone_is_told_and_forgotten() {
        let board = board();
        let waits = board.follow("a".into());
        for (name, told) in [told(pod("a", "1")), told(pod("b", "1"))] {
            board.tell(name, told);
        }
        assert!(matches!(&*waits.borrow(), Told::Is(_)));
        board.keep(&HashSet::from(["b".to_owned()]));
        assert!(matches!(&*waits.borrow(), Told::Gone));
        drop(waits);
        board.tell("b".into(), Told::Gone);
        board.keep(&HashSet::new());
        assert!(board.lock().is_empty());
    }
}
