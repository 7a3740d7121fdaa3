//! Objects of clusters: read, applied on the server's side, deleted, and followed until a rollout has ended.
//!
//! What is applied has the field manager `stageway`: a field that somebody else manages is a conflict, which is told by manager and
//! field, and taken only where the call says so. What a kind is called in the API is asked of the cluster once and kept.
//!
//! What is refused here: objects and answers beyond their bounds; names that would leave the namespace for which a call was granted.

mod adapter;
mod kinds;
mod objects;
mod rights;
mod rollout;
mod told;

pub use adapter::{ClusterOptions, KubernetesClusters};
pub use rights::{ClusterFacts, Right, TASKS, facts, missing};
