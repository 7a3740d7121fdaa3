//! Guests in Rust, TypeScript, Python and Go that use time, sleep, randomness, the order of their maps, NaNs and much memory:
//! recorded, killed after every entry, and replayed bit for bit.

mod binary;
mod halting;
mod killed;
mod recorded;
mod world;

use halting::Halting;
use stageway_core::digest::Digest;
use stageway_host::{CompileBy, Host, HostOptions};
use stageway_ports::Guests;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// A component in each language.
const GUESTS: [&str; 4] = ["rust", "typescript", "python", "go"];

struct Bench {
    host: Arc<Host>,
    components: BTreeMap<&'static str, Digest>,
}

/// The host and the guests, compiled once for all tests and kept for the next time.
static BENCH: LazyLock<Bench> = LazyLock::new(|| {
    // A runtime of its own: the clock of the tests stands still.
    let made = std::thread::spawn(|| tokio::runtime::Runtime::new().expect("a runtime").block_on(make()));
    made.join().expect("guests that can be prepared")
});

async fn make() -> Bench {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism-host");
    let mut options = HostOptions::new(room, CompileBy::InProcess);
    options.instances = 8;
    let host = Arc::new(Host::new(options).expect("a host"));
    let mut components = BTreeMap::new();
    for name in GUESTS {
        let bytes = std::fs::read(stageway_tests::guest(name)).expect("the component");
        let digest = host.prepare(&bytes).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        components.insert(name, digest);
    }
    Bench { host, components }
}

/// Guests that can be halted, and the component in a language.
fn guest(name: &str) -> (Arc<Halting>, Digest) {
    (Halting::new(BENCH.host.clone()), BENCH.components[name])
}
