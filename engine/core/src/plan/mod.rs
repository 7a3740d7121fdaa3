//! The complete, frozen instructions of one run.
//!
//! Running needs nothing else from the repository: digests, parameters, grants and order are here. Only values that
//! come from stages that have not run yet are still expressions; [`Plan::resolve`] fills them when those have ended.

mod cells;
mod conditions;
mod configuration;
mod environment;
mod expansion;
mod limits;
mod lint;
mod outputs;
mod planner;
mod resolve;
mod stage;
mod types;

pub use cells::Cell;
pub use conditions::PlanConditions;
pub use lint::lint;
pub use planner::{Planned, Planning, plan};
pub use resolve::{ResolvedStage, place};
pub use types::{
    Absent, Approval, Artifact, Backoff, Cache, Concurrency, Condition, Found, LateGrant, Plan,
    PlannedPlugin, PlannedStage, Retry, RetryOn, Service, WhenNewer, WorkspaceOptions,
};
