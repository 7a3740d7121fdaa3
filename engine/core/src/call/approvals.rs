use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// Questions to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", content = "request", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Approvals {
    /// Answers `Json`: {approved, by, reason, at}.
    Ask { question: String, options: Json },
}
