use async_trait::async_trait;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, TaskState};
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

use crate::SecretValue;

/// Which life of a task this is: a boot id, pid and start time here, a pod's uid in Kubernetes. Journaled at once.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Incarnation(pub String);

/// Where reading the output goes on: opaque, from the executor that gave it. The empty one is the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Cursor(pub String);

/// Values of secrets by name, on their way into a task and nowhere else.
#[derive(Default)]
pub struct SecretValues(pub BTreeMap<String, SecretValue>);

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes as the task wrote them; its services' lines carry their name in front.
    pub bytes: Vec<u8>,
    /// Where the first byte stands in the whole output.
    pub offset: u64,
    /// Where to go on.
    pub next: Cursor,
    /// Nothing more will come.
    pub end: bool,
}

/// Why an executor could not do what was asked.
#[derive(Debug, Error)]
pub enum TaskError {
    /// The specification cannot be run by this executor at all.
    #[error("the task cannot run here: {0}")]
    Refused(String),
    /// No task has that name.
    #[error("no task `{0}`")]
    Unknown(TaskName),
    /// The executor does not answer; asking again later may help.
    #[error("the executor does not answer: {0}")]
    Unavailable(String),
}

/// Runs tasks outside the engine's process, so that they outlive it. Repeating any call is the same as once; the name is
/// the key.
#[async_trait]
pub trait Executor: Send + Sync {
    /// Makes sure that the task has been started, at most once in its life.
    async fn ensure(
        &self,
        name: &TaskName,
        spec: &TaskSpec,
        secrets: &SecretValues,
    ) -> Result<Incarnation, TaskError>;

    /// Resolves when the task has ended or is lost; `Queued` or `Running` is answered at the latest after `within`.
    async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, TaskError>;

    /// At most `max` bytes of output from a cursor; waits a little when there is nothing yet.
    async fn output(&self, name: &TaskName, from: &Cursor, max: usize) -> Result<Chunk, TaskError>;

    /// Asks the task to end, and kills it with everything it started after `grace`.
    async fn cancel(&self, name: &TaskName, grace: Duration) -> Result<(), TaskError>;

    /// Removes what is kept of a task that has ended. Only after the ending is journaled.
    async fn forget(&self, name: &TaskName) -> Result<(), TaskError>;

    /// What the toolbox of this executor consists of, by name, each with a fingerprint (paths, sizes, times,
    /// `--version`): a stage that ran with another toolbox is not the same stage.
    async fn toolbox(&self) -> Result<BTreeMap<String, String>, TaskError>;

    /// Whether it unpacks images itself, so that their layers must lie in the blobs before a task is started. `with_image` says whether
    /// the task's own root is an image.
    fn unpacks(&self, with_image: bool) -> bool {
        let _ = with_image;
        true
    }

    /// Whether a task may run as this identity. `with_image` says whether the task's own root is an image.
    fn has_identity(&self, name: &str, with_image: bool) -> bool {
        let _ = (name, with_image);
        false
    }

    /// Every task that exists.
    async fn sweep(&self) -> Result<Vec<TaskName>, TaskError>;
}
