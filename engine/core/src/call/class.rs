//! The class of every function of the contract.

use serde::{Deserialize, Serialize};

/// How the journal treats a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Answered from the plan; not journaled.
    Fact,
    /// Done again on replay; not journaled.
    Local,
    /// Journaled; buffered until the next entry that must be durable.
    Read,
    /// Subject and deadline durable before it parks; re-armed with the same deadline.
    Wait,
    /// Intent and state before it are durable first; performed again under its key when in doubt.
    Keyed,
    /// Sent at most once; in doubt it answers `in-doubt`.
    Unkeyed,
}

impl Class {
    /// Whether a call of this class is an entry of the journal and takes the next seq.
    pub fn is_journaled(self) -> bool {
        !matches!(self, Self::Fact | Self::Local)
    }

    /// The word in the comments of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Local => "local",
            Self::Read => "read",
            Self::Wait => "wait",
            Self::Keyed => "keyed",
            Self::Unkeyed => "unkeyed",
        }
    }
}

/// A function of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Such as `tasks`.
    pub interface: &'static str,
    /// Such as `start` or `task.wait`.
    pub function: &'static str,
    /// Its classes: more than one only where the request decides.
    pub classes: &'static [Class],
}

const fn member(interface: &'static str, function: &'static str, classes: &'static [Class]) -> Member {
    Member { interface, function, classes }
}

/// Every function of `stageway:host`, in the order of the contract. Members of the builders `request` and `command` are
/// [`Class::Local`] and never cross.
pub const TABLE: &[Member] = &[
    member("handles", "reader.next", &[Class::Local]),
    member("log", "write", &[Class::Local]),
    member("invocation", "run-id", &[Class::Fact]),
    member("invocation", "stage-name", &[Class::Fact]),
    member("invocation", "attempt", &[Class::Fact]),
    member("invocation", "key", &[Class::Fact]),
    member("invocation", "event", &[Class::Fact]),
    member("invocation", "parameter", &[Class::Fact]),
    member("invocation", "upstream-output", &[Class::Fact]),
    member("invocation", "limit", &[Class::Fact]),
    member("invocation", "random", &[Class::Local]),
    member("invocation", "is-cancelled", &[Class::Read]),
    member("clock", "now-ms", &[Class::Local]),
    member("clock", "sleep", &[Class::Wait]),
    member("reports", "tests", &[Class::Local]),
    member("reports", "measure", &[Class::Local]),
    member("reports", "annotation", &[Class::Local]),
    member("workspace", "find", &[Class::Local]),
    member("workspace", "read", &[Class::Local]),
    member("workspace", "write", &[Class::Local]),
    member("workspace", "remove", &[Class::Local]),
    member("secrets", "get", &[Class::Fact]),
    member("http", "response.status", &[Class::Local]),
    member("http", "response.header", &[Class::Local]),
    member("http", "response.read", &[Class::Local]),
    member("http", "send", &[Class::Read, Class::Keyed, Class::Unkeyed]),
    member("tasks", "task.wait", &[Class::Wait]),
    member("tasks", "task.cancel", &[Class::Keyed]),
    member("tasks", "task.collected", &[Class::Local]),
    member("tasks", "start", &[Class::Keyed]),
    member("tasks", "wait-any", &[Class::Wait]),
    member("images", "find", &[Class::Read]),
    member("images", "tags", &[Class::Read]),
    member("images", "manifest", &[Class::Read]),
    member("images", "facts", &[Class::Read]),
    member("images", "tag", &[Class::Keyed]),
    member("images", "copy", &[Class::Keyed]),
    member("images", "push", &[Class::Keyed]),
    member("cluster", "get", &[Class::Read]),
    member("cluster", "find", &[Class::Read]),
    member("cluster", "apply", &[Class::Keyed]),
    member("cluster", "delete", &[Class::Keyed]),
    member("cluster", "rollout", &[Class::Wait]),
    member("environments", "releases", &[Class::Read]),
    member("environments", "release", &[Class::Keyed]),
    member("environments", "judge", &[Class::Keyed]),
    member("approvals", "ask", &[Class::Wait]),
    member("source", "changed-files", &[Class::Read]),
    member("source", "commits", &[Class::Read]),
    member("artifacts", "save", &[Class::Keyed]),
    member("artifacts", "put", &[Class::Keyed]),
    member("artifacts", "restore", &[Class::Local]),
    member("artifacts", "read", &[Class::Local]),
];

/// The class of a function; none if the contract has no such function or its request decides.
pub fn of(interface: &str, function: &str) -> Option<Class> {
    let member = TABLE.iter().find(|m| m.interface == interface && m.function == function)?;
    match member.classes {
        [class] => Some(*class),
        _ => None,
    }
}
