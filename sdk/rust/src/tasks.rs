//! Commands that the host runs for the stage, sandboxed. Grant `tasks`: by images and resources.
//!
//! Parallel tasks are several [`Command::start`]s before the first [`Task::wait`]. Tasks end with their attempt.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bindings::stageway::host::tasks as raw;
use crate::secrets::Secret;
use crate::{HostError, Span, wire};

/// A command, built without effect; what is wrong with it is said by [`start`](Self::start).
pub struct Command(raw::Command);

impl Command {
    /// A command by its arguments, without a shell. No arguments: the image's own entry point.
    pub fn new(arguments: &[String]) -> Self {
        Self(raw::Command::new(arguments))
    }

    /// What the root of the file system is: `CONNECTION/PATH` with `@DIGEST` or `:TAG`. Without it the executor's own
    /// toolbox.
    #[must_use]
    pub fn image(self, reference: &str) -> Self {
        self.0.image(reference);
        self
    }

    /// The working directory; `/workspace` without it.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.0.directory(path);
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn variable(self, name: &str, value: &str) -> Self {
        self.0.variable(name, value);
        self
    }

    /// Sets variables of the environment.
    #[must_use]
    pub fn variables(self, variables: &BTreeMap<String, String>) -> Self {
        variables.iter().fold(self, |command, (name, value)| command.variable(name, value))
    }

    /// Sets a variable of the environment to a secret.
    #[must_use]
    pub fn secret_variable(self, name: &str, value: &Secret) -> Self {
        self.0.secret_variable(name, value);
        self
    }

    /// A file that exists only for this task.
    #[must_use]
    pub fn file(self, path: &str, contents: &[u8]) -> Self {
        self.0.file(path, contents);
        self
    }

    /// A file with a secret that exists only for this task.
    #[must_use]
    pub fn secret_file(self, path: &str, value: &Secret) -> Self {
        self.0.secret_file(path, value);
        self
    }

    /// A docker `config.json` at `path` that may log in to `repository` for `actions` (`pull`, `push`).
    #[must_use]
    pub fn registry_login(self, path: &str, repository: &str, actions: &[String]) -> Self {
        self.0.registry_login(path, repository, actions);
        self
    }

    /// A named identity of the executor, such as a Kubernetes service account.
    #[must_use]
    pub fn identity(self, name: &str) -> Self {
        self.0.identity(name);
        self
    }

    /// Mounts a copy of the workspace, as it is at the start, at `path`.
    #[must_use]
    pub fn workspace(self, path: &str, writable: bool) -> Self {
        self.0.workspace(path, writable);
        self
    }

    /// A directory that is kept between runs under this name.
    #[must_use]
    pub fn cache(self, name: &str, path: &str) -> Self {
        self.0.cache(name, path);
        self
    }

    /// A container that lives beside the task, shares its loopback and is ready before the task starts.
    ///
    /// # Errors
    /// `InvalidArgument` when `ready` is not writable as JSON.
    pub fn service(self, name: &str, what: Command, ready: &Ready) -> Result<Self, HostError> {
        self.0.service(name, what.0, &wire::write("ready", ready)?);
        Ok(self)
    }

    /// Thousandths of a processor.
    #[must_use]
    pub fn cpu_millis(self, value: u32) -> Self {
        self.limit("cpu-millis", value)
    }

    /// Memory in MiB.
    #[must_use]
    pub fn memory_mib(self, value: u32) -> Self {
        self.limit("memory-mib", value)
    }

    /// How long the task may run.
    #[must_use]
    pub fn timeout(self, within: Span) -> Self {
        self.limit("timeout-ms", within.as_millis())
    }

    /// How many processes it may have.
    #[must_use]
    pub fn processes(self, value: u32) -> Self {
        self.limit("processes", value)
    }

    /// Whether it may use the network that is granted.
    #[must_use]
    pub fn network(self, on: bool) -> Self {
        self.limit("network", u32::from(on))
    }

    fn limit(self, name: &str, value: u32) -> Self {
        self.0.limit(name, value);
        self
    }

    /// The file whose first 4 KiB become [`Ending::message`].
    #[must_use]
    pub fn message_file(self, path: &str) -> Self {
        self.0.message_file(path);
        self
    }

    /// Brings a file or folder back when the task has ended, however it ended: as the artifact `name` and, if it lies in
    /// the workspace, into the plugin's workspace.
    #[must_use]
    pub fn collect(self, name: &str, path: &str) -> Self {
        self.0.collect(name, path);
        self
    }

    /// Starts it under a name that is unique within the attempt.
    ///
    /// # Errors
    /// `InvalidArgument` for what is wrong with the command, `Conflict` for a name or variable that is taken, `Denied`.
    pub fn start(self, name: &str) -> Result<Task, HostError> {
        raw::start(name, self.0).map(Task)
    }
}

/// When a service is ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ready {
    /// It answers `GET PATH` with 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// It takes connections on this port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<u16>,
    /// This command, run in its container, ends with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// How long it has for that.
    #[serde(default, rename(serialize = "within-ms"), skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
}

/// A check of a service over HTTP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCheck {
    /// On the loopback that task and service share.
    pub port: u16,
    /// Starts with `/`.
    pub path: String,
}

impl Ready {
    /// The port that is checked; none if a command checks.
    pub fn port(&self) -> Option<u16> {
        self.http.as_ref().map(|check| check.port).or(self.tcp)
    }

    /// Whether exactly one check is given.
    pub fn is_one_check(&self) -> bool {
        usize::from(self.http.is_some())
            + usize::from(self.tcp.is_some())
            + usize::from(self.command.is_some())
            == 1
    }
}

/// A task that was started. Dropping it has no effect on it.
pub struct Task(raw::Task);

impl Task {
    /// Waits until it has ended, in whatever way.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn wait(&self) -> Result<Ending, HostError> {
        Ending::read(self.0.wait()?)
    }

    /// Ends it.
    ///
    /// # Errors
    /// What the executor says.
    pub fn cancel(&self) -> Result<(), HostError> {
        self.0.cancel()
    }

    /// After the ending: the digest of a collected artifact; none if nothing was there.
    ///
    /// # Errors
    /// `InvalidArgument` for a name that was not to be collected.
    pub fn collected(&self, name: &str) -> Result<Option<String>, HostError> {
        self.0.collected(name)
    }
}

/// Waits until one of the tasks has ended; answers its index.
///
/// # Errors
/// `InvalidArgument` when there are no tasks, `Cancelled`.
pub fn wait_any(tasks: &[Task]) -> Result<usize, HostError> {
    let handles: Vec<&raw::Task> = tasks.iter().map(|task| &task.0).collect();
    raw::wait_any(&handles).map(|index| index as usize)
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// The process's exit code; none when no process exited.
    pub code: Option<i32>,
    /// Why it ended.
    pub reason: Reason,
    /// What the message file held, or what the executor has to say.
    pub message: String,
    /// From the start of the process to its end.
    pub duration_ms: u32,
    /// Times, usage and what was collected.
    pub details: Value,
}

impl Ending {
    fn read(raw: raw::Ending) -> Result<Self, HostError> {
        let details = wire::parse("task.wait", &raw.details)?;
        let reason = Reason::from(raw.reason.as_str());
        Ok(Self { code: raw.code, reason, message: raw.message, duration_ms: raw.duration_ms, details })
    }

    /// Whether the process exited with 0.
    pub fn is_success(&self) -> bool {
        self.reason == Reason::Exited && self.code == Some(0)
    }
}

/// Why a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The process exited.
    Exited,
    /// A signal ended the process.
    Signalled,
    /// It ran longer than it may.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// It used more memory than it may.
    OutOfMemory,
    /// Its image could not be had.
    Image,
    /// There was no place to run it.
    Unschedulable,
    /// Its machine was lost: nobody knows how it ended.
    Lost,
    /// A reason that this SDK does not know.
    Other(String),
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        match text {
            "exited" => Self::Exited,
            "signalled" => Self::Signalled,
            "timed-out" => Self::TimedOut,
            "cancelled" => Self::Cancelled,
            "out-of-memory" => Self::OutOfMemory,
            "image" => Self::Image,
            "unschedulable" => Self::Unschedulable,
            "lost" => Self::Lost,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exited => "exited",
            Self::Signalled => "signalled",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::OutOfMemory => "out-of-memory",
            Self::Image => "image",
            Self::Unschedulable => "unschedulable",
            Self::Lost => "lost",
            Self::Other(other) => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_written_as_the_contract_has_it() {
        let ready: Ready =
            serde_json::from_str(r#"{"http":{"port":8080,"path":"/health"},"within":"30s"}"#).unwrap();
        assert!(ready.is_one_check());
        assert_eq!(ready.port(), Some(8080));
        let written = serde_json::to_string(&ready).unwrap();
        assert_eq!(written, r#"{"http":{"port":8080,"path":"/health"},"within-ms":30000}"#);
        let both: Ready = serde_json::from_str(r#"{"tcp":1,"command":["true"]}"#).unwrap();
        assert!(!both.is_one_check());
    }

    #[test]
    fn reasons_are_the_words_of_the_contract() {
        let words = [
            "exited",
            "signalled",
            "timed-out",
            "cancelled",
            "out-of-memory",
            "image",
            "unschedulable",
            "lost",
        ];
        for word in words {
            let reason = Reason::from(word);
            assert!(!matches!(reason, Reason::Other(_)), "{word}");
            assert_eq!(reason.to_string(), word);
        }
    }
}
