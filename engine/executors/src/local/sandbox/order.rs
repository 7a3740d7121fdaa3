//! What the supervisor tells an init, and what it answers.

use serde::{Deserialize, Serialize};
use stageway_core::call::Bytes;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// An order with the number that its answer repeats.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Numbered<T> {
    /// Unique per init; 0 is for what nobody asked.
    pub id: u64,
    /// The order or report.
    pub body: T,
}

/// What a zygote answers when it got a socket for an init.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Forked {
    /// Its process; a descriptor of it comes along.
    Init { pid: u32 },
    /// There is none.
    Failed { problem: String },
}

/// What an init is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// The first one, once: answers `Ready` or `Refused`.
    Begin(Confinement),
    /// Builds a root for a process that is not known yet, to be finished as one with [`Base::Standing`]. Answers `Built` or
    /// `Failed`.
    Stand(Box<NewRoot>),
    /// Builds the root of a process, before it is started. Answers `Built`, with the root, or `Failed`.
    Build { process: u32, root: Box<NewRoot> },
    /// Starts a process; a descriptor for its output comes along. Answers `Started` or `NotStarted`.
    Start(Box<ProcessOrder>),
    /// Asks a process and its group to end. Answers `Done`.
    Terminate { process: u32 },
    /// Kills everything but the init. Answers `Quiet` when it is gone.
    Quiesce,
    /// Connects to a port of the task's loopback. Answers `Done` with the connection, or `Failed`.
    Connect { port: u16 },
    /// Listens on the task's loopback. Answers `Listening` with the socket, or `Failed`.
    Listen,
}

/// What an init answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The namespaces stand.
    Ready,
    /// This machine does not let them be made.
    Refused { problem: String, remedy: String },
    /// The root stands.
    Built,
    /// It runs.
    Started,
    /// It does not; `missing` when the command is not there.
    NotStarted { problem: String, missing: bool },
    /// Nobody asked: a process has ended. After the last one nothing but the init is left, and it says so.
    Exited { process: u32, exit: Exit, quiet: Option<Quiet> },
    /// Nothing but the init is left.
    Quiet(Quiet),
    /// It was done.
    Done,
    /// A socket that listens on this port.
    Listening { port: u16 },
    /// It could not be done.
    Failed { problem: String },
}

/// What an init tells when nothing but it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Quiet {
    /// Processor time of all that ended, in milliseconds.
    pub cpu_ms: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// How much a task is closed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Confinement {
    /// Everything of `tasks.md`.
    Sandbox,
    /// Only supervised: the operator switched the sandbox off.
    None,
}

/// One process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProcessOrder {
    /// Unique per init.
    pub process: u32,
    /// argv, not empty.
    pub arguments: Vec<String>,
    /// All variables; nothing is inherited.
    pub variables: BTreeMap<String, Bytes>,
    /// Where it starts, inside its root.
    pub directory: String,
    /// The process whose root it gets, its own number or another's; ignored without a sandbox.
    pub root: u32,
    /// Bounds that the kernel keeps per process.
    pub limits: ProcessLimits,
    /// Whether everything is killed when it ends, before its end is told.
    pub last: bool,
}

/// Bounds that the kernel keeps per process or user; none means unbounded.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct ProcessLimits {
    /// Processes and threads of the task's user.
    pub processes: Option<u64>,
    /// Address space of one process, in bytes.
    pub address_space: Option<u64>,
}

/// How the root file system of a process is built, in this order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct NewRoot {
    /// A directory to mount it on, unless it stands already, and one beside it, `<at>.memory`, for files in memory. Made by the supervisor.
    pub at: PathBuf,
    /// What it starts from.
    pub base: Base,
    /// Symbolic links: path and target.
    pub links: Vec<(String, String)>,
    /// What is mounted where, in this order.
    pub mounts: Vec<Mounted>,
    /// Files that exist only in memory, read-only.
    pub files: Vec<MemoryFile>,
}

impl NewRoot {
    /// One with nothing in it.
    pub(crate) fn empty(at: PathBuf) -> Self {
        Self { at, base: Base::Empty, links: vec![], mounts: vec![], files: vec![] }
    }
}

/// What a root starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Base {
    /// The one that stands already, wherever that is.
    Standing,
    /// An empty one, read-only when it is finished.
    Empty,
    /// A directory that is not changed, with changes going to another one.
    Overlay { lower: PathBuf, upper: PathBuf, work: PathBuf },
    /// A directory of the task's own.
    Directory(PathBuf),
}

/// Something mounted in a root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mounted {
    /// Absolute, inside the root.
    pub path: String,
    /// What.
    pub source: Source,
}

/// What is mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Source {
    /// A directory or file of this machine.
    Bind { from: PathBuf, writable: bool },
    /// A directory of this machine that is not changed, with changes going to another one.
    Overlay { lower: PathBuf, upper: PathBuf, work: PathBuf },
    /// Processes of the task.
    Processes,
    /// The harmless devices.
    Devices,
}

/// A file in memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MemoryFile {
    /// Absolute, inside the root.
    pub path: String,
    /// Its contents.
    pub bytes: Bytes,
}
