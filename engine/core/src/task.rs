//! A task as an executor gets it: everything resolved, nothing about the engine's process.

use crate::call::{Bytes, Content};
use crate::digest::Digest;
use crate::name::{RunId, StageName, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a task is, complete: an executor needs nothing else but the blobs and the values of the secrets it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskSpec {
    /// Whose task it is.
    pub owner: Owner,
    /// What runs.
    pub process: Process,
    /// Containers beside it, on the same loopback, started in this order before it.
    pub services: Vec<ServiceSpec>,
    /// The task's own copy of a tree.
    pub workspace: Option<WorkspaceMount>,
    /// Directories kept between runs.
    pub caches: Vec<CacheMount>,
    /// Artifact name to path. A path below the workspace's mount point is a part of the workspace.
    pub collect: BTreeMap<String, String>,
    /// A file whose first 4 KiB become the ending's message.
    pub message_file: Option<String>,
    /// Bounds of the task and its services together.
    pub limits: TaskLimits,
    /// What the network shows besides loopback.
    pub network: Network,
    /// The operator's configuration switched the sandbox off.
    pub unconfined: bool,
    /// As whom it runs, by a name that the executor knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl TaskSpec {
    /// A process with nothing beside it, in the sandbox, with the usual bounds.
    pub fn plain(owner: Owner, process: Process) -> Self {
        Self {
            owner,
            process,
            services: Vec::new(),
            workspace: None,
            caches: Vec::new(),
            collect: BTreeMap::new(),
            message_file: None,
            limits: TaskLimits::default(),
            network: Network::Loopback,
            unconfined: false,
            identity: None,
        }
    }
}

/// Labels that let people and sweeps find a task's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The tenant.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// The stage.
    pub stage: StageName,
    /// The attempt, from 1.
    pub attempt: u32,
}

/// One process in its own root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Process {
    /// argv; empty means the root's own entry point.
    pub arguments: Vec<String>,
    /// Where its root file system comes from.
    pub root: Root,
    /// Absolute; none means the image's own, else the workspace, else `/`.
    pub directory: Option<String>,
    /// Variables; nothing is inherited.
    pub variables: BTreeMap<String, String>,
    /// Variable to the name of a secret.
    pub secret_variables: BTreeMap<String, String>,
    /// Absolute path to contents; they exist only for this task.
    pub files: BTreeMap<String, Bytes>,
    /// Absolute path to the name of a secret; in memory only.
    pub secret_files: BTreeMap<String, String>,
}

impl Process {
    /// A command of the toolbox, with nothing but its arguments.
    pub fn of_toolbox(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            root: Root::Toolbox,
            directory: None,
            variables: BTreeMap::new(),
            secret_variables: BTreeMap::new(),
            files: BTreeMap::new(),
            secret_files: BTreeMap::new(),
        }
    }
}

/// Where a root file system comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The executor's own toolbox.
    Toolbox,
    /// An image whose blobs lie in the blobs.
    Image(Box<ImageRoot>),
}

/// An image, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImageRoot {
    /// `<connection>/<path>@sha256:…`, or the OCI reference by digest.
    pub reference: String,
    /// The manifest's digest.
    pub digest: Digest,
    /// The layers' blobs, lowest first, with their media types.
    pub layers: Vec<(Content, String)>,
    /// From the image's configuration.
    pub entrypoint: Vec<String>,
    /// From the image's configuration.
    pub command: Vec<String>,
    /// From the image's configuration, as `NAME=value`.
    pub variables: Vec<String>,
    /// From the image's configuration.
    pub directory: Option<String>,
}

/// A service and how it shows that it is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServiceSpec {
    /// Unique within the task.
    pub name: String,
    /// What it runs.
    pub process: Process,
    /// When the task may start.
    pub ready: Ready,
    /// For how long readiness is waited for, in milliseconds.
    pub within_ms: u64,
}

/// When a service counts as ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// Something listens on this port of the loopback.
    Tcp(u16),
    /// A GET is answered with 2xx.
    Http {
        /// On the loopback.
        port: u16,
        /// With its leading slash.
        path: String,
    },
    /// The command ends with 0, run like the service itself.
    Command(Vec<String>),
}

/// A copy of a tree, private to the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceMount {
    /// The digest of the tree's canonical list, which lies in the blobs.
    pub tree: Digest,
    /// Absolute.
    pub path: String,
    /// Whether the task may write there.
    pub writable: bool,
}

/// A directory that is kept between runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheMount {
    /// Its name; `cargo` is laid over the user's registry where there is one.
    pub name: String,
    /// Absolute.
    pub path: String,
    /// Apart by trust: `protected`, `member`, `fork`.
    pub scope: String,
    /// Whether the task may change it.
    pub writable: bool,
}

/// Bounds of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskLimits {
    /// From the start of the process, in milliseconds.
    pub timeout_ms: u64,
    /// Of all its processes, in bytes.
    pub memory_bytes: Option<u64>,
    /// Thousandths of a core.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub processes: Option<u32>,
    /// Bytes of output; what is over is dropped, and a line says so.
    pub output_bytes: u64,
    /// Bytes of everything collected.
    pub collect_bytes: u64,
}

impl Default for TaskLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 3_600_000,
            memory_bytes: None,
            cpu_millis: None,
            processes: Some(4096),
            output_bytes: 1 << 30,
            collect_bytes: 8 << 30,
        }
    }
}

/// What the network of a task shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Loopback of its own, nothing else.
    Loopback,
    /// A proxy on that loopback which lets these `host:port` through, by the egress rules.
    Proxy(Vec<String>),
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// It exists, and waits for a place among those that run.
    Queued,
    /// It has its place and has not ended.
    Running,
    /// It has ended.
    Ended(Box<TaskEnding>),
    /// It was started, and its end cannot be known.
    Lost,
}

/// How a task ended, as its executor tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskEnding {
    /// The exit code; none when no process exited.
    pub code: Option<i32>,
    /// What ended it.
    pub reason: crate::call::EndingReason,
    /// What the message file held, or why it never started; at most 4 KiB.
    pub message: String,
    /// When each part took its time.
    pub times: TaskTimes,
    /// Processor time of all its processes, in milliseconds, where it is known.
    pub cpu_ms: Option<u64>,
    /// The most memory all its processes used, in bytes, where it is known.
    pub peak_memory_bytes: Option<u64>,
    /// What was collected, by name.
    pub collected: BTreeMap<String, Collected>,
    /// Names of `collect` whose paths were not there, or lay outside, with the reason.
    pub missing: BTreeMap<String, String>,
    /// How the limits were enforced: `cgroup-v2`, `cgroup-v1`, `rlimit`, `kubernetes` or `none`.
    pub limits_by: String,
    /// Bytes of output, dropped ones included.
    pub output_bytes: u64,
}

/// Milliseconds of each part of a task's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct TaskTimes {
    /// From the claim until there was room for it.
    pub queued_ms: u64,
    /// Until it had a node, in whole seconds as a cluster tells them; 0 on this machine.
    pub scheduled_ms: u64,
    /// Its images on their way to the node, where a cluster told; 0 on this machine.
    pub pulled_ms: u64,
    /// From the node until something of it ran, without the images; 0 on this machine.
    pub started_ms: u64,
    /// Tree and image put in place. In a pod that is the tree alone, and it may come while the rest still starts.
    pub prepared_ms: u64,
    /// Services until they were ready.
    pub services_ms: u64,
    /// The process itself.
    pub ran_ms: u64,
    /// Collecting.
    pub collected_ms: u64,
    /// When the process started, in milliseconds since 1970; 0 when it never did.
    pub started_at_ms: u64,
}

/// Something a task left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collected {
    /// A file.
    File {
        /// Its bytes.
        content: Content,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A folder, as a tree.
    Tree {
        /// Of the canonical list.
        digest: Digest,
        /// Of all files together, in bytes.
        size: u64,
    },
}

impl Collected {
    /// What the plugin sees as the artifact's digest.
    pub fn digest(&self) -> Digest {
        match self {
            Self::File { content, .. } => content.digest,
            Self::Tree { digest, .. } => *digest,
        }
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        match self {
            Self::File { content, .. } => content.size,
            Self::Tree { size, .. } => *size,
        }
    }
}
