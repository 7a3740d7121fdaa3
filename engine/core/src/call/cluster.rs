use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Objects of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Cluster {
    /// Answers `MaybeJson`.
    Get { cluster: String, api_version: String, kind: String, namespace: String, name: String },
    /// Answers `Jsons`.
    Find { cluster: String, api_version: String, kind: String, namespace: String, selector: String, max: u32 },
    /// Answers `Json`.
    Apply { cluster: String, manifest: Json, options: Json },
    /// Answers `Done`.
    Delete { cluster: String, api_version: String, kind: String, namespace: String, name: String },
    /// Answers `Json`.
    Rollout { cluster: String, kind: String, namespace: String, name: String, timeout_ms: u32 },
}

impl Cluster {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Find { .. } => "find",
            Self::Apply { .. } => "apply",
            Self::Delete { .. } => "delete",
            Self::Rollout { .. } => "rollout",
        }
    }
}
