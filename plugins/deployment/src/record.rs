//! What is written down of a deployment, in the history of its environment.

use crate::Id;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a release says when it has been rolled out: until then it is unfinished.
pub const ROLLED_OUT: &str = "rolled out";
/// The most bytes of what is kept to go back to.
const MOST_BEFORE: usize = 512 << 10;

/// A release of this plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    /// The cluster's name.
    pub cluster: String,
    /// The deployment's name, which is the label of its objects.
    pub deployment: String,
    /// The image's digest.
    pub digest: String,
    /// The image, as the pipeline names it.
    pub image: String,
    /// What started the run, in short.
    pub event: Value,
    /// What was applied.
    pub objects: Vec<Id>,
    /// What was there before, to go back to. Left out where it is too large, and of Secrets.
    #[serde(default)]
    pub was: Vec<Before>,
}

/// An object as it was before a deployment: none was not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Before {
    /// Which.
    #[serde(flatten)]
    pub id: Id,
    /// As it was.
    pub object: Option<Value>,
}

impl Record {
    /// With what was there before, as far as it is kept.
    pub fn with_before(mut self, before: &[Before]) -> Self {
        let kept: Vec<Before> = before.iter().filter(|one| one.id.kind != "Secret").cloned().collect();
        let size = serde_json::to_string(&kept).map_or(usize::MAX, |text| text.len());
        self.was = if size <= MOST_BEFORE { kept } else { Vec::new() };
        self
    }
}

/// A release as the environment knows it. That of another plugin has another `what`.
#[derive(Debug, Clone, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: String,
    /// The run that made it.
    pub run: String,
    /// What was written down.
    pub what: Value,
    /// `good`, `bad` or `unknown`.
    #[serde(default)]
    pub verdict: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A release of one deployment.
#[derive(Debug, Clone)]
pub struct Past {
    /// The release's id.
    pub id: String,
    /// The run that made it.
    pub run: String,
    /// What was written down.
    pub record: Record,
    verdict: String,
    reason: String,
}

impl Past {
    /// It was applied, and nobody has found it bad since.
    pub fn stands(&self) -> bool {
        self.verdict == "good" || (self.verdict != "bad" && !self.reason.is_empty())
    }

    /// Its attempt ended between the first apply and its end.
    pub fn is_unfinished(&self) -> bool {
        self.verdict == "unknown" && self.reason.is_empty()
    }
}

/// The releases of one deployment in one cluster, newest first.
pub fn of(releases: Vec<Release>, cluster: &str, deployment: &str) -> Vec<Past> {
    let read = |release: Release| {
        let record: Record = serde_json::from_value(release.what).ok()?;
        let ours = record.cluster == cluster && record.deployment == deployment;
        let Release { id, run, verdict, reason, .. } = release;
        ours.then_some(Past { id, run, record, verdict, reason })
    };
    releases.into_iter().filter_map(read).collect()
}

/// What runs in an environment: its newest release, if it was rolled out by `kubernetes-deploy` and nobody has found it bad since.
pub fn released(releases: Vec<Release>) -> Option<Past> {
    let Release { id, run, what, verdict, reason } = releases.into_iter().next()?;
    let record = serde_json::from_value(what).ok()?;
    Some(Past { id, run, record, verdict, reason }).filter(Past::stands)
}
