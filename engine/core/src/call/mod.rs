//! One call of a guest and its reply, as plain values.
//!
//! Builders, handles and readers live in the host; what crosses [`Calls`](../../stageway_ports) is finished and
//! self-contained: `tasks.start` carries the whole command, a read carries digest, offset and length. So the same values
//! are what the journal keeps and what a worker process speaks over its socket.
//!
//! One file per interface of the contract; [`class::TABLE`] is the one list of all functions with their classes.

mod answer;
mod approvals;
mod artifacts;
pub mod class;
mod cluster;
mod environments;
mod function;
mod http;
mod images;
mod invocation;
mod tasks;
mod value;
mod workspace;

pub use answer::{
    Answer, Collected, Divergence, Ending, EndingReason, Failure, HostError, Image, Outcome, Reply, Response,
    Stop, Value,
};
pub use approvals::Approvals;
pub use artifacts::{Artifacts, Form};
pub use class::Class;
pub use cluster::Cluster;
pub use environments::{Environments, Judgement};
pub use function::{Call, Function, Handles, Log, LogLevel, Reports, Secrets, Source};
pub use http::{Encoding, Http, Request, Splice};
pub use images::Images;
pub use invocation::{Clock, Invocation};
pub use tasks::{Command, Mount, RegistryLogin, Service, Tasks};
pub use value::{Bytes, Content};
pub use workspace::{Access, Workspace};

/// The version of the contract that this engine speaks.
pub const CONTRACT: &str = "0.1.0";
