//! The API over adapters in memory: each file of tests is for one family of routes.

#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

mod approvals;
mod deliveries;
mod document;
mod freezes;
mod logs;
mod preflight;
mod requests;
mod runs;
mod start;
mod tenants;
mod world;
