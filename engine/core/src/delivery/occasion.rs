use super::{Preflight, Reference, Revision};
use crate::name::{PipelineName, ReceiptId, RunId, StageName};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What starts a run where no forge told of anything. It is stored as a delivery to ourselves, so that it is as durable, and
/// happens as often, as what a forge tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Occasion {
    /// A person asked for a pipeline.
    Manual {
        /// Which.
        pipeline: PipelineName,
        /// Of which branch or tag.
        reference: Reference,
        /// A commit of it; none is its head.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<Revision>,
        /// What the person gave; texts are converted.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        parameters: BTreeMap<String, Json>,
        /// Who.
        by: String,
    },
    /// The time of a schedule came.
    Schedule {
        /// Of which pipeline.
        pipeline: PipelineName,
        /// The branch that it is for.
        reference: Reference,
        /// As it is written in the pipeline file.
        cron: String,
        /// The minute that it was due, in milliseconds since 1970.
        at: u64,
    },
    /// A run succeeded, and other pipelines of its commit wait for that.
    Pipeline {
        /// Which.
        run: RunId,
    },
    /// A person wants a run once more, with the same plan.
    Again {
        /// Which.
        run: RunId,
        /// The first stage that is done again; what the others did is taken over. None is all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<StageName>,
        /// Who.
        by: String,
    },
    /// A person wants to know what a run of files says that were not pushed.
    Preflight(Box<Preflight>),
    /// A forge told of a pull request by the beginning of its head. We looked, and found the head: it is the move of the delivery.
    PullRequest {
        /// The forge's.
        delivery: ReceiptId,
    },
    /// We looked ourselves, and found heads that no delivery told of: they are the moves of the delivery.
    Sweep,
}

impl Occasion {
    /// The word for lists of deliveries.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Manual { .. } => "manual",
            Self::Schedule { .. } => "schedule",
            Self::Pipeline { .. } => "pipeline",
            Self::Again { .. } => "again",
            Self::Preflight(_) => "preflight",
            Self::PullRequest { .. } => "pull-request",
            Self::Sweep => "sweep",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use serde_json::json;

    #[test]
    fn it_reads_what_it_writes_and_refuses_strangers() {
        for text in [
            json!({"kind": "manual", "pipeline": "p", "reference": "refs/heads/main", "by": "ada", "parameters": {"n": 1}}),
            json!({"kind": "schedule", "pipeline": "p", "reference": "refs/heads/main", "cron": "0 3 * * *", "at": 1}),
            json!({"kind": "again", "run": "r1", "from": "test", "by": "ada"}),
            json!({"kind": "pipeline", "run": "r1"}),
            json!({"kind": "preflight", "tree": Digest::of(b"t"), "branch": "work", "target": "main", "title": "t", "by": "ada"}),
            json!({"kind": "pull-request", "delivery": "d1"}),
            json!({"kind": "sweep"}),
        ] {
            let occasion: Occasion = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(serde_json::to_value(&occasion).unwrap(), text);
            assert_eq!(occasion.as_str(), text["kind"]);
        }
        for stranger in [
            json!({"kind": "pipeline", "run": "r1", "x": 1}),
            json!({"kind": "preflight", "tree": Digest::of(b"t"), "branch": "w", "target": "m", "title": "t", "by": "a", "x": 1}),
        ] {
            assert!(serde_json::from_value::<Occasion>(stranger).is_err());
        }
    }
}
