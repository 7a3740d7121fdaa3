use super::{
    Approvals, Artifacts, Class, Clock, Cluster, Environments, Http, Images, Invocation, Tasks, Workspace,
    class,
};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// One call of a guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Counts the entries of the journal: 0 is the header, so the first journaled call is 1. A fact or local call carries
    /// the number of the last entry before it.
    pub seq: u32,
    /// What is called, with its finished request.
    pub function: Function,
}

/// A typed request per function of the contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "interface", content = "call", rename_all = "kebab-case")]
pub enum Function {
    /// `stageway:host/log`
    Log(Log),
    /// `stageway:host/invocation`
    Invocation(Invocation),
    /// `stageway:host/clock`
    Clock(Clock),
    /// `stageway:host/reports`
    Reports(Reports),
    /// `stageway:host/handles`
    Handles(Handles),
    /// `stageway:host/workspace`
    Workspace(Workspace),
    /// `stageway:host/secrets`
    Secrets(Secrets),
    /// `stageway:host/http`
    Http(Http),
    /// `stageway:host/tasks`
    Tasks(Tasks),
    /// `stageway:host/images`
    Images(Images),
    /// `stageway:host/cluster`
    Cluster(Cluster),
    /// `stageway:host/environments`
    Environments(Environments),
    /// `stageway:host/approvals`
    Approvals(Approvals),
    /// `stageway:host/source`
    Source(Source),
    /// `stageway:host/artifacts`
    Artifacts(Artifacts),
}

impl Function {
    /// The interface and the function as the contract spells them, such as `("tasks", "task.wait")`.
    pub fn name(&self) -> (&'static str, &'static str) {
        match self {
            Self::Log(Log::Write { .. }) => ("log", "write"),
            Self::Invocation(call) => ("invocation", call.name()),
            Self::Clock(Clock::NowMs) => ("clock", "now-ms"),
            Self::Clock(Clock::Sleep { .. }) => ("clock", "sleep"),
            Self::Reports(Reports::Tests { .. }) => ("reports", "tests"),
            Self::Reports(Reports::Measure { .. }) => ("reports", "measure"),
            Self::Reports(Reports::Annotation { .. }) => ("reports", "annotation"),
            Self::Handles(Handles::Next { .. }) => ("handles", "reader.next"),
            Self::Workspace(call) => ("workspace", call.name()),
            Self::Secrets(Secrets::Get { .. }) => ("secrets", "get"),
            Self::Http(Http::Send(_)) => ("http", "send"),
            Self::Tasks(call) => ("tasks", call.name()),
            Self::Images(call) => ("images", call.name()),
            Self::Cluster(call) => ("cluster", call.name()),
            Self::Environments(call) => ("environments", call.name()),
            Self::Approvals(Approvals::Ask { .. }) => ("approvals", "ask"),
            Self::Source(Source::ChangedFiles { .. }) => ("source", "changed-files"),
            Self::Source(Source::Commits { .. }) => ("source", "commits"),
            Self::Artifacts(call) => ("artifacts", call.name()),
        }
    }

    /// How the journal treats this call. Only `http.send` depends on its request.
    pub fn class(&self) -> Class {
        if let Self::Http(Http::Send(request)) = self {
            return request.class();
        }
        let (interface, function) = self.name();
        class::of(interface, function).expect("every function that can be called stands in the class table")
    }

    /// The request alone; null for a function without one.
    pub fn request(&self) -> Json {
        let value = serde_json::to_value(self).unwrap_or(Json::Null);
        value.pointer("/call/request").cloned().unwrap_or(Json::Null)
    }
}

/// Lines for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Log {
    /// Answers `Done`.
    Write { level: LogLevel, message: String },
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For the plugin's author.
    Trace,
    /// For somebody who looks for a fault.
    Debug,
    /// What happened.
    Info,
    /// What should be looked at.
    Warn,
    /// What went wrong.
    Error,
}

/// What people should see beside the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Reports {
    /// Answers `Json`.
    Tests { path: String },
    /// Answers `Done`.
    Measure { name: String, value: f64, unit: String },
    /// Answers `Done`.
    Annotation { level: String, path: String, line: u32, message: String },
}

/// Readers: also what `http` responses and `artifacts.read` are read with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Handles {
    /// Answers `Bytes`, at most `max` of them; none is the end.
    Next { digest: Digest, offset: u64, max: u32 },
}

/// Secrets by name; values never cross.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Secrets {
    /// Answers `Done`; the handle lives in the host.
    Get { name: String },
}

/// The repository at the run's revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Source {
    /// Answers `Texts`.
    ChangedFiles { since: Option<String>, after: Option<String>, max: u32 },
    /// Answers `Jsons`.
    Commits { since: Option<String>, max: u32 },
}

impl Invocation {
    fn name(&self) -> &'static str {
        match self {
            Self::RunId => "run-id",
            Self::StageName => "stage-name",
            Self::Attempt => "attempt",
            Self::Key => "key",
            Self::Event => "event",
            Self::Parameter { .. } => "parameter",
            Self::UpstreamOutput { .. } => "upstream-output",
            Self::Limit { .. } => "limit",
            Self::Random { .. } => "random",
            Self::IsCancelled => "is-cancelled",
        }
    }
}
