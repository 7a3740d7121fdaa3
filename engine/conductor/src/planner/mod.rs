//! From a definition to a plan that can run, and what a plan would do.

mod make;
pub mod preview;
pub mod skip;

pub use make::{CreateError, Prepared, Request, Sought, create, find, keep, make};

use crate::engine::Engine;
use stageway_core::digest::Digest;

/// Of a component (`wasm-host` limit).
const COMPONENT_BYTES: u64 = 32 << 20;

/// Makes sure that a component is compiled in this process.
///
/// # Errors
/// A sentence, when its bytes are gone or cannot be compiled.
pub(crate) async fn prepare(engine: &Engine, component: &Digest) -> Result<(), String> {
    if engine.guests.is_prepared(component) {
        return Ok(());
    }
    let bytes = engine.blobs.get(component, COMPONENT_BYTES).await.map_err(|e| e.to_string())?;
    engine.guests.prepare(&bytes).await.map(|_| ()).map_err(|e| e.to_string())
}
