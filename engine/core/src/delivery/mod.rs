//! Deliveries of forges: one request to a webhook, as it came ([`RawDelivery`]) and as it is understood ([`Meaning`]).
//!
//! A meaning is what the forge said in our own words, complete enough for an event, and never more believed than the
//! forge itself: changed files, messages and authors of commits come from git. Every text has its bound here, so that what
//! is stored and shown is bounded wherever it came from.

mod clone;
mod forge;
mod meaning;
mod name;
mod occasion;
mod preflight;
mod raw;
mod report;
mod text;

pub use clone::{clone_place, without_login};
pub use forge::{ForgeKind, UnknownForge};
pub use meaning::{
    ForgeRepository, HeadChange, MAX_CHANGES, Meaning, PullRequest, PullRequestAction, Push, SourceBranch,
};
pub use name::{DeliveryId, Reference, RepositoryName, Revision, RevisionPrefix};
pub use occasion::Occasion;
pub use preflight::Preflight;
pub use raw::{Headers, MAX_HEADER_BYTES, MAX_HEADERS, RawDelivery, TooManyHeaders};
pub use report::{ReportState, StatusReport};
pub use text::cut;
