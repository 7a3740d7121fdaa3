//! Forges: what their webhooks deliver, and the statuses that they are told.
//!
//! # Authenticity
//! - Decided over the raw bytes, before anything is parsed, in constant time over digests and never over their spelling:
//!   hex digits of either case are the same digest. Every secret is tried, so the time does not tell which one fits.
//! - A header that proves it is there once and not empty. The SHA-1 headers are not looked at.
//! - Forgejo's signature decides before Gitea's. GitLab's signature (Standard Webhooks, five minutes) decides before its
//!   older token; a signing secret (`whsec_…`) is never taken as a token, so that nobody goes back to the weaker proof.
//!
//! # Reading
//! - Only the fields that are used are taken from the JSON, the rest is skipped without being kept: memory does not grow
//!   with what a body nests or repeats. A field that is used and there twice is an error.
//! - Another forge than the webhook's is told by its headers, Gitea's and Forgejo's before GitHub's, which they send as
//!   well.
//! - Nothing is asked over the network: what a delivery does not say (a whole revision, what a tag points at), git knows.
//!
//! # Reports
//! - One request each, not repeated here: the caller knows in which order reports go out and how long to go on.
//! - Redirects of the same origin are followed, so a renamed repository still gets its statuses.

mod api;
mod bitbucket;
mod connect;
mod detect;
mod gitea;
mod github;
mod gitlab;
mod hub;
mod json;
mod signature;
mod states;

pub use connect::{ForgeConnection, InvalidConnection, connect, public_api};
