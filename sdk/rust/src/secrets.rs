//! Secrets by name. Grant `secrets`: by name and by the places each may flow into. Nothing shows one to a plugin.

use crate::HostError;
pub use crate::bindings::stageway::host::handles::Secret;
use crate::bindings::stageway::host::secrets as raw;

/// A handle for the secret `name`.
///
/// # Errors
/// `Denied` or `NotFound`.
pub fn get(name: &str) -> Result<Secret, HostError> {
    raw::get(name)
}
