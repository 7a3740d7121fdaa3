//! Other people's systems: forges, registries, the receivers of plugins' requests, repositories, other Stageway servers,
//! receivers of traces, and where secrets lie.
//!
//! Each room is an adapter of one port. None of them decides anything: grants are checked and tags are chosen before a
//! call comes here. What they do check is what only they can see: bytes against their digests, addresses against the
//! egress rules, names against the rules of the system they are sent to.

#![deny(missing_docs)]

pub mod forge;
pub mod http;
pub mod otlp;
pub mod registry;
pub mod secrets;
pub mod server;
pub mod source;
mod tls;
