//! What a plugin says about itself: the JSON of the custom section `stageway:manifest`.
//!
//! The engine reads it from the binary and never runs guest code to learn it. Reading refuses what could hurt later:
//! size, depth, schemas that would fetch something, patterns that could take forever.

mod parse;
mod schema;
mod wanted;

pub use schema::compile;
pub use wanted::{
    ClusterWanted, FromConfiguration, Parameter, RepositoryWanted, Wanted, WantedGrants, WantedNetwork,
};

use crate::plugin::PluginName;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A manifest has at most this many bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Its values are nested at most this deep.
pub const MAX_DEPTH: usize = 32;

/// Whether a stage of this plugin may be skipped because its inputs are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Its outputs follow from its inputs.
    #[default]
    Allowed,
    /// Its outputs depend on time, randomness, the run's id or its key.
    Never,
}

/// A plugin's own description, checked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// `NAMESPACE/NAME`.
    pub name: PluginName,
    /// Semantic version.
    pub version: Version,
    /// One line.
    pub summary: String,
    /// JSON Schema (2020-12) of the stage's `with`.
    pub configuration: Json,
    /// JSON Schema (2020-12) of the object of outputs.
    pub outputs: Json,
    /// What it asks for.
    pub grants: WantedGrants,
    /// How long a stage may take when the pipeline does not say, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether a stage may be skipped.
    pub skip: Skip,
    /// A new attempt after an errored one harms nothing and doubles nothing.
    pub idempotent: bool,
}
