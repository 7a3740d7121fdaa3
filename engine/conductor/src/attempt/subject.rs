use super::SignedSet;
use serde_json::{Map, Value as Json, json};
use stageway_core::call::Failure;
use stageway_core::diagnostic::Diagnostic;
use stageway_core::digest::Digest;
use stageway_core::grant::Grants;
use stageway_core::name::StageName;
use stageway_core::plan::{Plan, PlannedStage, Service};
use stageway_core::task::Collected;
use stageway_core::workspace::Tree;
use stageway_ports::Writer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is known of an attempt before its guest runs.
#[derive(Clone)]
pub struct Subject {
    /// Whose run, which run, with which fence.
    pub writer: Writer,
    /// The stage.
    pub stage: StageName,
    /// From 1.
    pub attempt: u32,
    /// The frozen plan.
    pub plan: Arc<Plan>,
    /// The stage's `with`, resolved.
    pub configuration: Json,
    /// The stage's `env`, resolved.
    pub env: BTreeMap<String, String>,
    /// The stage's services, resolved, in order.
    pub services: Vec<(String, Service)>,
    /// What it may do, with the grants that follow from the resolved configuration.
    pub grants: Grants,
    /// Outputs of the stages it needs, by their names in the file; those of a matrix are by cell.
    pub upstream: BTreeMap<StageName, Map<String, Json>>,
    /// The start tree, narrowed and with its artifacts.
    pub tree: Arc<Tree>,
    /// Digest of the start tree.
    pub tree_digest: Digest,
    /// Artifacts that the plan gives it, by digest.
    pub artifacts: BTreeMap<Digest, Collected>,
    /// Seeds the guest's randomness.
    pub seed: [u8; 32],
    /// The signed set of effects, where an approval signed one: digests of (function, request).
    pub signed: Option<Arc<SignedSet>>,
}

impl Subject {
    /// The stage as it is planned.
    pub fn planned(&self) -> &PlannedStage {
        &self.plan.stages[&self.stage]
    }

    /// The attempt's own key: the same on every resume, different for every other attempt.
    pub fn key(&self) -> String {
        let parts =
            (self.writer.tenant.as_str(), self.writer.run.as_str(), self.stage.as_str(), self.attempt);
        Digest::of_json(&parts).hex()[..40].to_owned()
    }

    /// The key of one call.
    pub fn call_key(&self, seq: u32) -> String {
        Digest::of_json(&(self.key(), seq)).hex()[..40].to_owned()
    }

    /// The operator's connection and the path of a repository written `CONNECTION/PATH`.
    pub(crate) fn connection<'a>(&'a self, repository: &'a str) -> Option<(&'a str, &'a str)> {
        let (connection, path) = repository.split_once('/')?;
        Some((self.plan.connections.resolve(connection)?, path))
    }
}

/// A failure of the engine's own words.
pub(crate) fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure { code: format!("stageway/{code}"), message: message.into(), details: None }
}

/// A failure that is made of every problem of what somebody wrote.
pub(crate) fn diagnosed(code: &str, problems: &[Diagnostic]) -> Failure {
    let said = problems.iter().map(|problem| {
        let at = problem.pointer.as_deref().filter(|pointer| !pointer.is_empty());
        let at = at.map_or_else(String::new, |pointer| format!("{pointer}: "));
        format!("{at}{} [{}]", problem.message, problem.code)
    });
    let mut failure = failure(code, said.collect::<Vec<_>>().join("; "));
    failure.details = serde_json::to_value(problems).ok().map(|list| json!({ "diagnostics": list }));
    failure
}

/// Randomness of an attempt: follows from its key, so a resume without a durable header has the same.
pub(crate) fn seed_of(key: &str) -> [u8; 32] {
    *Digest::of(format!("stageway attempt seed {key}").as_bytes()).as_bytes()
}
