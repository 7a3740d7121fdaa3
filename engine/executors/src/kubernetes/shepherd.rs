//! Who tends the pods with the helper: one task of this process for each, for as long as somebody asks or it has not ended.

use super::cluster::Cluster;
use super::tend::Tending;
use stageway_core::name::TaskName;
use stageway_core::task::TaskState;
use stageway_ports::{Incarnation, TaskError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What became of a pod so far.
#[derive(Debug, Clone)]
enum Progress {
    State(TaskState),
    /// It could not be tended; whoever asks next begins again.
    Failed(String),
}

impl Progress {
    fn is_final(&self) -> bool {
        !matches!(self, Self::State(TaskState::Queued | TaskState::Running))
    }
}

struct Shepherd {
    progress: watch::Receiver<Progress>,
    work: JoinHandle<()>,
}

impl Drop for Shepherd {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// All of them, by the uid of the pod. They stop with this value, and whoever comes later goes on from the pods.
pub(super) struct Shepherds {
    cluster: Arc<Cluster>,
    all: Mutex<HashMap<String, Shepherd>>,
}

impl Shepherds {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, all: Mutex::default() }
    }

    /// Makes sure that somebody tends a pod.
    pub(super) fn tend(&self, name: &TaskName, incarnation: &Incarnation) {
        drop(self.follow(name, incarnation));
    }

    /// Resolves when a task has ended or is lost, and answers what it is after a time.
    pub(super) async fn state(
        &self,
        name: &TaskName,
        incarnation: &Incarnation,
        within: Duration,
    ) -> Result<TaskState, TaskError> {
        let mut progress = self.follow(name, incarnation);
        let ended = async { progress.wait_for(Progress::is_final).await.map(|last| last.clone()) };
        let waited = tokio::time::timeout(within, ended).await;
        let last = match waited {
            Ok(Ok(last)) => last,
            Ok(Err(_)) => Progress::Failed("whoever tended the pod was stopped".into()),
            Err(_) => progress.borrow().clone(),
        };
        match last {
            Progress::State(state) => Ok(state),
            Progress::Failed(problem) => Err(TaskError::Unavailable(problem)),
        }
    }

    fn follow(&self, name: &TaskName, incarnation: &Incarnation) -> watch::Receiver<Progress> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended is kept with the pod, and what failed begins again.
        all.retain(|_, shepherd| !shepherd.work.is_finished());
        let shepherd = all.entry(incarnation.0.clone()).or_insert_with(|| self.start(name, incarnation));
        shepherd.progress.clone()
    }

    fn start(&self, name: &TaskName, incarnation: &Incarnation) -> Shepherd {
        let (tell, progress) = watch::channel(Progress::State(TaskState::Queued));
        let (cluster, name, uid) = (self.cluster.clone(), name.clone(), incarnation.0.clone());
        let work = tokio::spawn(async move {
            let tending = Tending { cluster: &cluster, name: &name, uid: &uid };
            let told = tending.tend(&|state| drop(tell.send_replace(Progress::State(state)))).await;
            let last = match told {
                Ok(state) => Progress::State(state),
                Err(TaskError::Unavailable(problem)) => Progress::Failed(problem),
                Err(error) => Progress::Failed(error.to_string()),
            };
            tell.send_replace(last);
        });
        Shepherd { progress, work }
    }
}
