//! `stageway plugin inspect`: what a component is, read from its bytes without running it.

mod show;

use serde::Serialize;
use serde_json::Value;
use stageway_core::diagnostic::{Code, codes};
use stageway_core::digest::Digest;
use thiserror::Error;
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

/// The custom section that holds the manifest.
pub const MANIFEST_SECTION: &str = "stageway:manifest";
/// A component is at most this large; the host's own limit.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// What a component is. Serialises as the answer of `--json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspection {
    /// sha256 of the bytes: what a lock pins.
    pub digest: Digest,
    /// The manifest's name; none without a manifest.
    pub name: Option<String>,
    /// The manifest's version.
    pub version: Option<String>,
    /// The manifest's summary.
    pub summary: Option<String>,
    /// Imported interfaces, in the order of the binary.
    pub imports: Vec<String>,
    /// Exported interfaces, in the order of the binary.
    pub exports: Vec<String>,
    /// The world in WIT.
    pub world: String,
    /// How large it is.
    pub sizes: Sizes,
    /// The manifest, if there is one and it is JSON.
    pub manifest: Option<Value>,
}

/// How large a component is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sizes {
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Bytes of its core modules.
    pub module_bytes: u64,
    /// Core modules.
    pub modules: u32,
    /// Functions with a body, in all core modules.
    pub functions: u32,
}

/// Why bytes cannot be inspected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InspectError {
    /// A core module, as a compiler leaves it.
    #[error("this is a core WebAssembly module, not a component")]
    Module,
    /// More than the host would take.
    #[error("the component has {0} bytes; the host takes at most {MAX_BYTES}")]
    TooLarge(usize),
    /// Not WebAssembly, or broken.
    #[error("not a WebAssembly component: {0}")]
    Malformed(String),
}

impl InspectError {
    /// Its code; `stageway explain` prints the page.
    pub fn code(&self) -> Code {
        codes::INSPECT_UNREADABLE
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Module => "make a component of it with `stageway plugin build`",
            Self::TooLarge(_) => "leave out what the plugin does not need, such as debug information",
            Self::Malformed(_) => "name a file that `stageway plugin build` wrote",
        }
        .to_owned()
    }
}

/// Reads a component.
///
/// # Errors
/// See [`InspectError`].
pub fn inspect(bytes: &[u8]) -> Result<Inspection, InspectError> {
    if bytes.len() > MAX_BYTES {
        return Err(InspectError::TooLarge(bytes.len()));
    }
    let parts = Parts::read(bytes)?;
    let manifest: Option<Value> = parts.manifest.and_then(|text| serde_json::from_slice(text).ok());
    let text = |key: &str| manifest.as_ref()?.get(key)?.as_str().map(str::to_owned);
    Ok(Inspection {
        digest: Digest::of(bytes),
        name: text("name"),
        version: text("version"),
        summary: text("summary"),
        imports: parts.imports,
        exports: parts.exports,
        world: world(bytes)?,
        sizes: Sizes { component_bytes: bytes.len() as u64, ..parts.sizes },
        manifest,
    })
}

/// What the outer component holds.
#[derive(Default)]
struct Parts<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    manifest: Option<&'a [u8]>,
    sizes: Sizes,
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, InspectError> {
        let malformed = |error: wasmparser::BinaryReaderError| InspectError::Malformed(error.to_string());
        let mut parts = Self::default();
        // How deep in modules and nested components the parser is; 1 is the component itself.
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(malformed)? {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(InspectError::Module);
                }
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ModuleSection { unchecked_range, .. } => {
                    parts.sizes.modules += 1;
                    parts.sizes.module_bytes += (unchecked_range.end - unchecked_range.start) as u64;
                }
                Payload::CodeSectionStart { count, .. } => parts.sizes.functions += count,
                Payload::CustomSection(section) if depth == 1 && section.name() == MANIFEST_SECTION => {
                    parts.manifest = Some(section.data());
                }
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        parts.imports.push(import.map_err(malformed)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let export = export.map_err(malformed)?;
                        if export.kind == ComponentExternalKind::Instance {
                            parts.exports.push(export.name.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(parts)
    }
}

/// The component's world in WIT.
fn world(bytes: &[u8]) -> Result<String, InspectError> {
    let malformed = |error: &dyn std::fmt::Display| InspectError::Malformed(format!("{error:#}"));
    let decoded = wit_component::decode(bytes).map_err(|error| malformed(&error))?;
    let mut printer = wit_component::WitPrinter::default();
    printer.print(decoded.resolve(), decoded.package(), &[]).map_err(|error| malformed(&error))?;
    Ok(printer.output.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_said() {
        assert_eq!(inspect(&wasm_encoder::Module::new().finish()), Err(InspectError::Module));
        assert!(matches!(inspect(b"hello"), Err(InspectError::Malformed(_))));
        assert!(matches!(inspect(b""), Err(InspectError::Malformed(_))));
        assert_eq!(inspect(&vec![0; MAX_BYTES + 1]), Err(InspectError::TooLarge(MAX_BYTES + 1)));
    }
}
