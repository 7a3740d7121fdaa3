//! Reads a component's binary without running or compiling it.
//!
//! Only the frame of sections is walked; the parser recurses into no type, so nesting cannot hurt here.

mod count;

use crate::contract::{self, MANIFEST, Name, STAGE};
use crate::options::ComponentLimits;
use count::Counts;
use stageway_core::digest::Digest;
use stageway_core::manifest;
use stageway_ports::{Component, GuestError};
use wasmparser::{Encoding, Parser, Payload};

/// What is refused, as `inspect` answers it.
fn malformed(message: impl Into<String>) -> GuestError {
    GuestError::Malformed(message.into())
}

/// Reads and counts. What is answered here has passed every limit of the binary.
///
/// # Errors
/// [`GuestError::Malformed`] and [`GuestError::WrongWorld`].
pub(crate) fn inspect(bytes: &[u8], limits: &ComponentLimits) -> Result<Component, GuestError> {
    let size = bytes.len() as u64;
    if size > limits.bytes {
        return Err(malformed(format!("{size} bytes are more than the {} allowed", limits.bytes)));
    }
    let frame = Frame::read(bytes, limits)?;
    check_exports(&frame.exports)?;
    Ok(Component {
        digest: Digest::of(bytes),
        imports: frame.imports,
        exports: frame.exports,
        manifest: frame.manifest,
        bytes: size,
        functions: frame.counts.functions,
        modules: frame.counts.modules,
    })
}

/// What the frame of sections says.
#[derive(Default)]
struct Frame {
    imports: Vec<String>,
    exports: Vec<String>,
    manifest: Option<String>,
    counts: Counts,
    depth: u32,
}

impl Frame {
    fn read(bytes: &[u8], limits: &ComponentLimits) -> Result<Self, GuestError> {
        let mut frame = Self::default();
        let mut seen_version = false;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| malformed(short(&error.to_string())))?;
            if !seen_version {
                check_encoding(&payload)?;
                seen_version = true;
            }
            frame.take(payload, limits).map_err(|error| match error {
                Trouble::Parse(error) => malformed(short(&error.to_string())),
                Trouble::Refused(message) => malformed(message),
            })?;
        }
        if seen_version { Ok(frame) } else { Err(malformed("it is empty")) }
    }

    fn take(&mut self, payload: Payload<'_>, limits: &ComponentLimits) -> Result<(), Trouble> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                if self.depth > limits.nesting {
                    return Err(Trouble::over("levels of components and modules", limits.nesting));
                }
                if matches!(payload, Payload::ModuleSection { .. }) {
                    self.counts.module(limits)?;
                }
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                for import in section {
                    self.imports.push(import?.name.name.to_owned());
                    at_most("imports", self.imports.len(), limits.imports)?;
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                for export in section {
                    self.exports.push(export?.name.name.to_owned());
                    at_most("exports", self.exports.len(), limits.exports)?;
                }
            }
            Payload::CustomSection(section) if self.depth == 0 && section.name() == MANIFEST => {
                self.keep_manifest(section.data())?;
            }
            Payload::FunctionSection(section) => self.counts.functions(section.count(), limits)?,
            Payload::ImportSection(section) => self.counts.imports(section)?,
            Payload::MemorySection(section) => self.counts.memories(section, limits)?,
            Payload::TableSection(section) => self.counts.tables(section, limits)?,
            _ => {}
        }
        Ok(())
    }

    fn keep_manifest(&mut self, data: &[u8]) -> Result<(), Trouble> {
        if self.manifest.is_some() {
            return Err(Trouble::Refused(format!("it has two sections `{MANIFEST}`")));
        }
        if data.len() > manifest::MAX_BYTES {
            let size = data.len();
            return Err(Trouble::Refused(format!(
                "its section `{MANIFEST}` has {size} bytes, more than the {} allowed",
                manifest::MAX_BYTES
            )));
        }
        let text = std::str::from_utf8(data)
            .map_err(|_| Trouble::Refused(format!("its section `{MANIFEST}` is not UTF-8")))?;
        self.manifest = Some(text.to_owned());
        Ok(())
    }
}

/// Why reading stops.
enum Trouble {
    /// The binary format is broken.
    Parse(wasmparser::BinaryReaderError),
    /// The format is right, but this engine does not take it.
    Refused(String),
}

impl Trouble {
    fn over(what: &str, limit: u32) -> Self {
        Self::Refused(format!("it has more than the {limit} {what} allowed"))
    }
}

impl From<wasmparser::BinaryReaderError> for Trouble {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Parse(error)
    }
}

fn at_most(what: &str, found: usize, limit: u32) -> Result<(), Trouble> {
    if found > limit as usize { Err(Trouble::over(what, limit)) } else { Ok(()) }
}

fn check_encoding(first: &Payload<'_>) -> Result<(), GuestError> {
    match first {
        Payload::Version { encoding: Encoding::Component, .. } => Ok(()),
        Payload::Version { encoding: Encoding::Module, .. } => {
            Err(malformed("it is a core module; encode it as a component first"))
        }
        _ => Err(malformed("it does not begin with the header of a component")),
    }
}

fn check_exports(exports: &[String]) -> Result<(), GuestError> {
    let offered = contract::offered();
    let mut wrong = None;
    for name in exports.iter().filter_map(|export| Name::parse(export)) {
        if format!("{}/{}", name.package, name.interface) != STAGE {
            continue;
        }
        match name.version {
            Some(version) if contract::speaks(&version, &offered) => return Ok(()),
            version => wrong = Some(version),
        }
    }
    let message = match wrong {
        Some(Some(version)) => format!("it exports `{STAGE}` {version}; this engine speaks {offered}"),
        Some(None) => format!("it exports `{STAGE}` without a version; this engine speaks {offered}"),
        None => format!("it does not export `{STAGE}@{offered}`; it exports {}", listed(exports)),
    };
    Err(GuestError::WrongWorld(message))
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{}`", short(name))).collect();
    shown.join(", ")
}

/// Text from a foreign binary, bounded and without control characters.
fn short(text: &str) -> String {
    text.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
