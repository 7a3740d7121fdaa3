//! The ports: traits between the conductor and everything outside the engine.
//!
//! Each port has one contract suite, run on every adapter, and an in-memory adapter in [`memory`] for tests of logic.
//! Nothing here knows SQL, HTTP, wasmtime or a cluster.

#![deny(missing_docs)]

mod blobs;
mod calls;
mod clock;
mod cluster;
mod executor;
mod fault;
mod forge;
mod freezes;
mod guests;
mod http;
mod inbox;
mod mirror;
mod plugins;
mod queue;
mod registry;
mod secrets;
mod source;
mod store;
mod traces;
mod tree;

#[cfg(feature = "testing")]
pub mod contract;
#[cfg(feature = "testing")]
pub mod memory;

pub use blobs::{BlobError, Blobs};
pub use calls::Calls;
pub use clock::Clock;
pub use cluster::{Cluster, ClusterError};
pub use executor::{Chunk, Cursor, Executor, Incarnation, SecretValues, TaskError};
pub use fault::{Blame, Retry};
pub use forge::{Forge, ForgeError, Unauthentic, Unreadable};
pub use freezes::{Freeze, FreezeEvent, Freezes};
pub use guests::{Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests, Linking};
pub use http::{Egress, Http, HttpError, HttpRequest, HttpResponse};
pub use inbox::{
    Admission, Admitted, Claimant, Claimed, Delivery, DeliveryFilter, Inbox, Most, Moved, NewDelivery,
    NewStatus, Outcome, PendingStatus, PlacedMove, Received, RunKey, RunOrigin, Settlement, Skipped, Telling,
};
pub use mirror::{CommitFacts, Mirror, Mirrors};
pub use plugins::{Beside, FoundPlugin, LOCK, ListedPlugin, MOST_COMPONENT, PluginError, Plugins};
pub use queue::{PlaceWish, Queue, Queued, Turn, Turns};
pub use registry::{BlobStatus, Login, LoginCredentials, Manifest, Registry, RegistryError, RegistryRight};
pub use secrets::{SecretError, SecretValue, Secrets};
pub use source::{Source, SourceError, page_of};
pub use store::{
    Approval, ApprovalAnswer, Batch, Candidate, Claim, ClaimAnswer, Lease, NewProof, NewRun, Release,
    RunFilter, RunRecord, RunSummary, Store, StoreError, StoredLine, Writer,
};
pub use traces::{Traces, TracesError};
pub use tree::read_tree;
