//! From settings to what the conductor works with: every port gets its adapter here, and nowhere else.

mod clock;
mod connections;
mod drive;
mod engine;
mod event;
mod facts;
mod find;
mod fleet;
mod home;
mod http;
mod interrupts;
mod lock;
mod mirrors;
mod nowhere;
mod origin;
mod plugins;
mod reach;
mod serve;
mod site;
mod tree;

pub(crate) use clock::SystemClock;
pub(crate) use drive::{Driving, Over, drive};
pub(crate) use engine::{Blueprint, THIS_PROGRAM, guests};
pub(crate) use event::{EventArgs, event};
pub(crate) use facts::{numbers, summary};
pub(crate) use find::{RunRef, find};
pub(crate) use home::{Home, blobs};
pub(crate) use interrupts::Interrupts;
pub(crate) use lock::RunLock;
pub(crate) use nowhere::Nowhere;
pub(crate) use origin::Origin;
pub(crate) use plugins::plugins;
pub(crate) use reach::beyond;
pub(crate) use serve::Server;
pub(crate) use site::tenant_rules;
pub(crate) use tree::{Place, Snapshot, snapshot};
