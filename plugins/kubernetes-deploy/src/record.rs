//! What is written down of a deployment, in the history of its environment.

use crate::manifest::Id;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a release says when it has been rolled out: until then it is unfinished.
pub(crate) const ROLLED_OUT: &str = "rolled out";
/// The most bytes of what is kept to go back to.
const MOST_BEFORE: usize = 512 << 10;

/// A release of this plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The deployment's name, which is the label of its objects.
    pub(crate) deployment: String,
    /// The image's digest.
    pub(crate) digest: String,
    /// The image, as the pipeline names it.
    pub(crate) image: String,
    /// What started the run, in short.
    pub(crate) event: Value,
    /// What was applied.
    pub(crate) objects: Vec<Id>,
    /// What was there before, to go back to. Left out where it is too large, and of Secrets.
    #[serde(default)]
    pub(crate) was: Vec<Before>,
}

/// An object as it was before a deployment: none was not there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Before {
    #[serde(flatten)]
    pub(crate) id: Id,
    pub(crate) object: Option<Value>,
}

impl Record {
    /// With what was there before, as far as it is kept.
    pub(crate) fn with_before(mut self, before: &[Before]) -> Self {
        let kept: Vec<Before> = before.iter().filter(|one| one.id.kind != "Secret").cloned().collect();
        let size = serde_json::to_string(&kept).map_or(usize::MAX, |text| text.len());
        self.was = if size <= MOST_BEFORE { kept } else { Vec::new() };
        self
    }
}

/// A release as the environment knows it. That of another plugin has another `what`.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Release {
    pub(crate) id: String,
    pub(crate) run: String,
    pub(crate) what: Value,
    #[serde(default)]
    pub(crate) verdict: String,
    #[serde(default)]
    pub(crate) reason: String,
}

/// A release of one deployment.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) id: String,
    pub(crate) run: String,
    pub(crate) record: Record,
    verdict: String,
    reason: String,
}

impl Past {
    /// It was applied, and nobody has found it bad since.
    pub(crate) fn stands(&self) -> bool {
        self.verdict == "good" || (self.verdict != "bad" && !self.reason.is_empty())
    }

    /// Its attempt ended between the first apply and its end.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.verdict == "unknown" && self.reason.is_empty()
    }
}

/// The releases of one deployment in one cluster, newest first.
pub(crate) fn of(releases: Vec<Release>, cluster: &str, deployment: &str) -> Vec<Past> {
    let read = |release: Release| {
        let record: Record = serde_json::from_value(release.what).ok()?;
        let ours = record.cluster == cluster && record.deployment == deployment;
        let Release { id, run, verdict, reason, .. } = release;
        ours.then_some(Past { id, run, record, verdict, reason })
    };
    releases.into_iter().filter_map(read).collect()
}
