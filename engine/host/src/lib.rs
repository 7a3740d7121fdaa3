//! The Wasm host: loads a component by its digest, reads its imports, links what is granted, calls it, and bounds it.
//!
//! This crate alone names wasmtime, and it knows nothing of the engine but the port [`stageway_ports::Calls`]: every
//! import of a guest becomes one [`stageway_core::call::Call`], finished and self-contained. What a guest builds up
//! piece by piece (requests, commands) and what it holds (secrets, readers, tasks, responses) lives here, behind
//! handles that are counted.
//!
//! * `inspect` reads and counts a binary before anything is compiled,
//! * `compile` turns it into machine code in a bounded child process, once per digest, behind an authenticated cache,
//! * `linking` decides which imports are linked, and says why the others are not,
//! * `link` has one file per interface of the contract,
//! * `wasi` is the inert, deterministic baseline that language runtimes need,
//! * `guest` is the state and the bounds of one instance, `run` its life,
//! * `worker` runs the guests of a tenant in a process of their own.
//!
//! What it refuses to do: run guest code to learn about a component, load compiled code that it did not write itself,
//! show a guest a fault of the engine, or link an import that was not granted.

mod bindings;
mod compile;
mod contract;
mod engine;
mod guest;
mod host;
mod inspect;
mod link;
mod linking;
mod options;
mod prepared;
mod pure;
mod run;
mod ticker;
mod wasi;
mod worker;

pub use compile::compile_child;
pub use host::Host;
pub use options::{CompileBy, CompileLimits, ComponentLimits, HostOptions};
pub use worker::{WorkerOptions, Workers, worker_child};
