//! The WASI 0.2 baseline that language runtimes need, deterministic and inert.
//!
//! Time is logical: it is that of the contract's `clock`, and waiting for a timer is its `sleep`. Randomness is a stream
//! seeded by the attempt. There are no arguments, variables, directories, sockets and no input; what is written to standard
//! output and error becomes lines of the log. Every 0.2.x is taken.

mod baseline;
mod cli;
mod clocks;
mod inert;
mod lines;
mod poll;
mod random;
mod streams;

pub(crate) use baseline::Baseline;

use crate::contract::Name;
use crate::guest::Guest;
use semver::Version;
use wasmtime::component::{Component, Linker, LinkerInstance};

/// Adds the functions of one interface.
type Add = fn(&mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()>;

/// The interfaces with functions that do something.
const LIVE: &[(&str, &str, Add)] = &[
    ("wasi:cli", "environment", cli::environment),
    ("wasi:cli", "exit", cli::exit),
    ("wasi:cli", "stdin", cli::stdin),
    ("wasi:cli", "stdout", cli::stdout),
    ("wasi:cli", "stderr", cli::stderr),
    ("wasi:clocks", "monotonic-clock", clocks::monotonic),
    ("wasi:clocks", "wall-clock", clocks::wall),
    ("wasi:io", "error", streams::error),
    ("wasi:io", "poll", poll::poll),
    ("wasi:io", "streams", streams::streams),
    ("wasi:random", "insecure", random::insecure),
    ("wasi:random", "insecure-seed", random::insecure_seed),
    ("wasi:random", "random", random::random),
];

/// The interfaces that hold nothing and refuse everything.
const INERT: &[(&str, &str)] = &[
    ("wasi:cli", "terminal-input"),
    ("wasi:cli", "terminal-output"),
    ("wasi:cli", "terminal-stdin"),
    ("wasi:cli", "terminal-stdout"),
    ("wasi:cli", "terminal-stderr"),
    ("wasi:filesystem", "preopens"),
    ("wasi:filesystem", "types"),
    ("wasi:sockets", "instance-network"),
    ("wasi:sockets", "ip-name-lookup"),
    ("wasi:sockets", "network"),
    ("wasi:sockets", "tcp"),
    ("wasi:sockets", "tcp-create-socket"),
    ("wasi:sockets", "udp"),
    ("wasi:sockets", "udp-create-socket"),
];

/// The version that is spoken: in 0.x the minor decides.
pub(crate) fn offered() -> Version {
    Version::new(0, 2, 0)
}

/// Whether the baseline has the interface.
pub(crate) fn knows(package: &str, interface: &str) -> bool {
    live(package, interface).is_some() || INERT.contains(&(package, interface))
}

fn live(package: &str, interface: &str) -> Option<Add> {
    LIVE.iter().find(|(p, i, _)| (*p, *i) == (package, interface)).map(|(_, _, add)| *add)
}

/// Links the interfaces of the baseline that a component imports, under the versions it names.
///
/// # Errors
/// What wasmtime says about an interface defined twice, which cannot be.
pub(crate) fn link(
    linker: &mut Linker<Guest>,
    component: &Component,
    imports: &[String],
) -> wasmtime::Result<()> {
    for import in imports {
        let Some(name) = Name::parse(import) else { continue };
        if let Some(add) = live(name.package, name.interface) {
            add(&mut linker.instance(import)?)?;
        } else if INERT.contains(&(name.package, name.interface)) {
            inert::link(linker, component, import)?;
        }
    }
    Ok(())
}
