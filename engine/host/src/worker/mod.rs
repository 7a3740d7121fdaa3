//! Guests of a tenant in a process of their own: the wall behind the sandbox of WebAssembly.
//!
//! ```text
//! engine: Workers ── one Worker per tenant ── socket ── worker_child: Runner ── guest
//!    compiles, links, answers calls              instances, their limits
//! ```
//!
//! A worker is given machine code and runs; it asks back with each [`Call`](stageway_core::call::Call). It has no file, no
//! network and no other process within its reach, so that a guest that breaks out of wasmtime has what its tenant has and
//! nothing else: secrets, the store and the credentials of registries stay with the engine.
//!
//! A worker that ends takes its attempts with it as a fault of ours: each goes on from its journal in the next one.

mod child;
mod confine;
mod frame;
mod process;
mod workers;

pub use child::worker_child;
pub use workers::{WorkerOptions, Workers};
