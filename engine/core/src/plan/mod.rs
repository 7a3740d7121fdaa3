//! The complete, frozen instructions of one run.
//!
//! Running needs nothing else from the repository: digests, parameters, grants and order are here. Only values that
//! come from stages that have not run yet are still expressions.

mod types;

pub use types::{
    Approval, Artifact, Backoff, Cache, Concurrency, Condition, Found, LateGrant, Plan, PlannedPlugin,
    PlannedStage, Retry, RetryOn, Service, WhenNewer, WorkspaceOptions,
};
