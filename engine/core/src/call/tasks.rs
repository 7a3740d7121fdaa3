use super::value::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Commands that the host runs for the stage. A task is named by the seq of the call that started it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Tasks {
    /// Answers `Done`; the handle lives in the host as the call's seq.
    Start { name: String, command: Box<Command> },
    /// Answers `Ending`.
    Wait { task: u32 },
    /// Answers `Count`: the index in `tasks` of one that has ended.
    WaitAny { tasks: Vec<u32> },
    /// Answers `Done`.
    Cancel { task: u32 },
    /// Answers `MaybeText`: the digest of a collected artifact.
    Collected { task: u32, name: String },
}

impl Tasks {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Wait { .. } => "task.wait",
            Self::WaitAny { .. } => "wait-any",
            Self::Cancel { .. } => "task.cancel",
            Self::Collected { .. } => "task.collected",
        }
    }
}

/// What the builder `command` gathered. Later members replace nothing: a name given twice is a problem that `start` says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Command {
    /// argv without a shell; empty means the image's own entry point.
    pub arguments: Vec<String>,
    /// `<connection>/<path>` with a tag or digest, or an OCI reference; none means the executor's own toolbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Working directory; `/workspace` without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Variables.
    pub variables: BTreeMap<String, String>,
    /// Variable to secret's name.
    pub secret_variables: BTreeMap<String, String>,
    /// Path to contents.
    pub files: BTreeMap<String, Bytes>,
    /// Path to secret's name.
    pub secret_files: BTreeMap<String, String>,
    /// Docker configurations that the host makes.
    pub registry_logins: Vec<RegistryLogin>,
    /// A named identity of the executor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Where the task's own copy of the workspace is mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Mount>,
    /// Name to path.
    pub caches: BTreeMap<String, String>,
    /// In the order given.
    pub services: Vec<Service>,
    /// "cpu-millis", "memory-mib", "timeout-ms", "processes", "network".
    pub limits: BTreeMap<String, u32>,
    /// A file whose contents become the ending's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_file: Option<String>,
    /// Name to path.
    pub collect: BTreeMap<String, String>,
    /// What is wrong with the way it was built, such as a name given twice; `start` refuses it with all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// Where a copy of the workspace stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute.
    pub path: String,
    /// Whether the task may write there, which only it sees.
    pub writable: bool,
}

/// A docker `config.json` made by the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    /// Where the file stands.
    pub path: String,
    /// `<connection>/<path>`.
    pub repository: String,
    /// pull, push.
    pub actions: Vec<String>,
}

/// A container beside the task, on its loopback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Unique within the task.
    pub name: String,
    /// What it runs.
    pub command: Command,
    /// {tcp: 5432}, {http: {port, path}} or {command: [...]}, with "within-ms".
    pub ready: Json,
}
