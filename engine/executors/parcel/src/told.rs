//! What the engine asks of the helper in a pod, and what it is told.

use serde::{Deserialize, Serialize};

/// The command of a container that the helper starts, and what it waits for before that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Order {
    /// Whether a tree has to be there first.
    pub tree: bool,
    /// The names of all services, in their order.
    pub services: Vec<String>,
    /// What this container is.
    pub part: Part,
    /// Bytes of output that are kept.
    pub output_bytes: u64,
}

/// Whose container it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The task's own.
    Task {
        /// From the start of the process, in milliseconds.
        timeout_ms: u64,
        /// A file whose first 4 KiB become the message.
        message_file: Option<String>,
        /// Paths of its root that are kept when it ends, by number: what lies elsewhere than the workspace.
        outside: Vec<String>,
    },
    /// A service's.
    Service {
        /// From 0.
        number: usize,
        /// When the next one may start.
        ready: Ready,
        /// For how long that is waited for, in milliseconds.
        within_ms: u64,
    },
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
    /// The command ends with 0, run in the service's container.
    Command(Vec<String>),
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// Its process has not started. Whether a tree is there; it is also where none is wanted.
    Waiting {
        /// Whether the whole tree is in place.
        tree: bool,
    },
    /// Its process runs.
    Running,
    /// It has ended.
    Ended(Box<End>),
    /// Its container was there and is not any more, and left no end.
    Gone,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct End {
    /// The exit code; none when no process exited.
    pub code: Option<i32>,
    /// In the words of the engine's contract.
    pub reason: String,
    /// What the message file held, or why it never started.
    pub message: String,
    /// Whether its process was started, so that there may be something to collect.
    pub ran: bool,
    /// When its container began, in milliseconds since 1970.
    pub entered_at_ms: u64,
    /// The tree on its way into the workspace, in milliseconds; 0 where there was none.
    pub tree_ms: u64,
    /// Services until they were ready, in milliseconds.
    pub services_ms: u64,
    /// When the process started, in milliseconds since 1970; 0 when it never did.
    pub started_at_ms: u64,
    /// The process itself, in milliseconds.
    pub ran_ms: u64,
    /// Processor time of everything in its container, in milliseconds.
    pub cpu_ms: u64,
    /// The most memory that was used, in bytes, where it is known.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes of output, dropped ones included.
    pub output_bytes: u64,
}

/// The line before a piece of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Piece {
    /// How many bytes follow.
    pub length: usize,
    /// Nothing more will come after them.
    pub end: bool,
}

/// The answer to a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Received {
    /// It is in place, now or already.
    Whole,
    /// Somebody else sends it by now.
    Elsewhere,
    /// It cannot be put in place, and sending it again does not help.
    Refused(String),
}

/// The answer to a request to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Somebody is there who reads it.
    Noted,
    /// The task's container is not there.
    Nobody,
}
