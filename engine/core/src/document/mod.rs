//! YAML 1.2 as a tree in which every value knows its place, read within bounds.
//!
//! The rules are stricter than YAML's, because two readers must never understand two things: one document, UTF-8,
//! text keys, none of them twice, no tags, no merges; aliases are copied within a budget. [`Reader`] then takes the
//! tree apart and collects every problem instead of stopping at the first.

mod load;
mod node;
mod places;
pub(crate) mod reader;
mod scalar;
mod text;

pub(crate) use load::load;
pub(crate) use node::{Entry, Node, Value};
pub use places::Places;
pub(crate) use places::escape;
pub(crate) use reader::{Map, Reader};

/// A document as plain JSON, by the rules of this room.
///
/// # Errors
/// Everything that is wrong with the text.
pub fn read_json(file: &str, bytes: &[u8]) -> Result<serde_json::Value, Vec<crate::diagnostic::Diagnostic>> {
    let loaded = load(file, bytes);
    match loaded.document {
        Some((root, _)) if loaded.diagnostics.is_empty() => Ok(root.to_json()),
        _ => Err(loaded.diagnostics),
    }
}

/// A file has at most this many bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// A file has at most this many values, copies by alias included.
pub const MAX_VALUES: usize = 20_000;
/// Values are nested at most this deep.
pub const MAX_DEPTH: usize = 32;
