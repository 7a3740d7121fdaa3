//! What started a run: the forge's delivery, a person, a schedule or another pipeline, in our own words.
//!
//! An event carries its trust. Which fields it has follows from its kind ([`Event::check`]); an expression that reads
//! a field the schema has and this event lacks fails only when it is evaluated.

use crate::diagnostic::{Diagnostic, codes};
use crate::name::{PipelineName, RunId, StageName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::fmt;

/// How far the cause of a run is believed. Ordered: `Fork < Member < Protected`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Anybody: a pull request out of a fork.
    Fork,
    /// Somebody who may push to the repository.
    Member,
    /// A push to a protected ref, a schedule, a person who may.
    Protected,
}

impl Trust {
    /// All, lowest first.
    pub const ALL: [Self; 3] = [Self::Fork, Self::Member, Self::Protected];

    /// The word in files and expressions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Member => "member",
            Self::Protected => "protected",
        }
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The head of a branch moved.
    Push,
    /// A pull request was opened or got a new head.
    PullRequest,
    /// A tag was made.
    Tag,
    /// The time of a schedule came.
    Schedule,
    /// A person asked.
    Manual,
    /// Another pipeline ended.
    Pipeline,
}

impl EventKind {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 6] =
        [Self::Push, Self::PullRequest, Self::Tag, Self::Schedule, Self::Manual, Self::Pipeline];

    /// The word in files and expressions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull-request",
            Self::Tag => "tag",
            Self::Schedule => "schedule",
            Self::Manual => "manual",
            Self::Pipeline => "pipeline",
        }
    }

    /// Fields beside `revision` and `ref` that an event of this kind must have.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Push => &["branch"],
            Self::PullRequest => &["source", "target", "title"],
            Self::Tag => &["tag"],
            Self::Pipeline => &["upstream"],
            Self::Schedule | Self::Manual => &[],
        }
    }

    /// Fields that an event of this kind cannot have.
    fn forbidden(self) -> &'static [&'static str] {
        match self {
            Self::Push => &["source", "target", "title", "number", "tag", "upstream"],
            Self::PullRequest => &["branch", "tag", "upstream"],
            Self::Tag | Self::Schedule | Self::Manual => {
                &["branch", "source", "target", "title", "number", "upstream"]
            }
            Self::Pipeline => &["branch", "source", "target", "title", "number"],
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What started a run. Texts are as the outside gave them, so `branch`, `source`, `title`, `message` and `author` are
/// untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The branch that was pushed to; pushes only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch that a pull request comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The branch that a pull request wants to enter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The number of the pull request at its forge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// The name of the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The commit the run is about; outside git the digest of the tree.
    pub revision: String,
    /// The commit that changes are counted from: the head before the push, or the merge base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The full ref, such as `refs/heads/main` or `refs/pull/7/head`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The title of the pull request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The message of the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Who wrote the commit, as the commit says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The tree differs from the revision: a run on a person's machine.
    #[serde(default)]
    pub dirty: bool,
    /// How far the cause is believed.
    pub trust: Trust,
    /// Who or what caused it, as the engine knows it: a person's account, a schedule's or a pipeline's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The run whose success it is; events of pipelines only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

/// A run that has succeeded, as the pipelines after it see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Its pipeline.
    #[schemars(with = "String")]
    pub pipeline: PipelineName,
    /// Its id.
    #[schemars(with = "String")]
    pub run: RunId,
    /// Its number.
    pub number: u64,
    /// What its stages put out, by stage and name. Stages whose outputs are larger than [`MAX_TEXT`] bytes as JSON are left out.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Map<String, Json>>")]
    pub outputs: BTreeMap<StageName, Map<String, Json>>,
}

/// Texts of an event may have this many bytes each.
pub const MAX_TEXT: usize = 64 * 1024;

impl Event {
    /// A push to `branch`, the commonest event.
    pub fn push(branch: impl Into<String>, revision: impl Into<String>, trust: Trust) -> Self {
        let branch = branch.into();
        Self {
            kind: EventKind::Push,
            reference: format!("refs/heads/{branch}"),
            branch: Some(branch),
            source: None,
            target: None,
            number: None,
            tag: None,
            revision: revision.into(),
            base: None,
            title: None,
            message: None,
            author: None,
            dirty: false,
            trust,
            by: None,
            upstream: None,
        }
    }

    /// A pull request of `source` into `target`.
    pub fn pull_request(
        source: impl Into<String>,
        target: impl Into<String>,
        title: impl Into<String>,
        revision: impl Into<String>,
        trust: Trust,
    ) -> Self {
        let source = source.into();
        Self {
            kind: EventKind::PullRequest,
            branch: None,
            reference: format!("refs/heads/{source}"),
            source: Some(source),
            target: Some(target.into()),
            title: Some(title.into()),
            ..Self::push("", revision, trust)
        }
    }

    /// Every way in which the fields contradict the kind.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut report = |field: &str, message: String, remedy: &str| {
            found.push(Diagnostic::error(codes::BAD_EVENT, message, remedy).pointing(format!("/{field}")));
        };
        let kind = self.kind;
        for field in kind.required().iter().filter(|field| !self.has(field)) {
            report(field, format!("an event of kind `{kind}` needs `{field}`"), "give the field");
        }
        for field in kind.forbidden().iter().filter(|field| self.has(field)) {
            report(field, format!("an event of kind `{kind}` has no `{field}`"), "remove the field");
        }
        for (field, text) in self.texts() {
            if text.len() > MAX_TEXT {
                report(field, format!("`{field}` has more than {MAX_TEXT} bytes"), "shorten the text");
            }
        }
        for (field, text) in [("revision", &self.revision), ("ref", &self.reference)] {
            if text.is_empty() || text.chars().any(char::is_control) {
                report(field, format!("`{field}` is empty or has control characters"), "give the field");
            }
        }
        found
    }

    fn has(&self, field: &str) -> bool {
        field == "number" && self.number.is_some()
            || field == "upstream" && self.upstream.is_some()
            || self.texts().iter().any(|(name, _)| *name == field)
    }

    fn texts(&self) -> Vec<(&'static str, &str)> {
        let optional = [
            ("branch", &self.branch),
            ("source", &self.source),
            ("target", &self.target),
            ("tag", &self.tag),
            ("base", &self.base),
            ("title", &self.title),
            ("message", &self.message),
            ("author", &self.author),
            ("by", &self.by),
        ];
        let present = optional.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        present.chain([("revision", self.revision.as_str()), ("ref", self.reference.as_str())]).collect()
    }

    /// The name of the branch that decides about environments and order: the pushed one, or the one of `ref`.
    pub fn head(&self) -> &str {
        self.branch
            .as_deref()
            .unwrap_or_else(|| self.reference.strip_prefix("refs/heads/").unwrap_or(&self.reference))
    }

    /// The published schema of an event.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_push_and_a_pull_request_are_complete() {
        assert_eq!(Event::push("main", "abc", Trust::Protected).check(), []);
        assert_eq!(Event::pull_request("f", "main", "Add f", "abc", Trust::Fork).check(), []);
    }

    #[test]
    fn every_contradiction_is_told() {
        let event = Event { branch: None, source: Some("f".into()), ..Event::push("main", "", Trust::Fork) };
        let pointers: Vec<_> = event.check().into_iter().filter_map(|d| d.pointer).collect();
        assert_eq!(pointers, ["/branch", "/source", "/revision"]);
    }

    #[test]
    fn it_reads_what_it_writes_and_refuses_strangers() {
        let event = Event::pull_request("f", "main", "t", "abc", Trust::Fork);
        let text = serde_json::to_value(&event).unwrap();
        assert_eq!(serde_json::from_value::<Event>(text).unwrap(), event);
        let stranger = json!({"kind": "push", "revision": "a", "ref": "b", "trust": "fork", "x": 1});
        assert!(serde_json::from_value::<Event>(stranger).is_err());
    }

    #[test]
    fn trust_is_ordered() {
        assert!(Trust::Fork < Trust::Member && Trust::Member < Trust::Protected);
    }
}
