//! Components on the real host, between adapters in memory: the scenarios of the conductor with WebAssembly for guests.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod chaos;
#[allow(dead_code)]
#[path = "../../../engine/conductor/tests/scenarios/life.rs"]
mod life;
mod parked;
#[allow(dead_code)]
#[path = "../../../engine/conductor/tests/scenarios/world.rs"]
mod world;

use stageway_core::digest::Digest;
use stageway_host::{CompileBy, Host, HostOptions};
use stageway_ports::Guests;
use stageway_tests::guest;
use std::path::Path;
use std::sync::Arc;

/// Instances that there is room for.
const INSTANCES: u32 = 8;

/// A host that has prepared a guest of the tests.
fn host(name: &str) -> (Arc<dyn Guests>, Digest) {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("host");
    let mut options = HostOptions::new(directory, CompileBy::InProcess);
    options.instances = INSTANCES;
    let host = Arc::new(Host::new(options).unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let component = runtime.block_on(host.prepare(&std::fs::read(guest(name)).unwrap())).unwrap();
    (host, component)
}
