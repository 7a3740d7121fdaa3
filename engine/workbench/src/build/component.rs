//! From a core module to a component that imports no more than it asked for.

use super::BuildError;
use super::contract::{ALWAYS_LINKED, GRANTED, narrow_world, short_name};
use crate::inspect::MANIFEST_SECTION;
use std::collections::BTreeSet;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as REACTOR,
};
use wasm_encoder::{Component, Module, RawSection};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// How the sections begin in which bindings leave the world of a module.
const WORLD_SECTION: &str = "component-type";

/// Encodes a core module against the world of a stage with `interfaces`.
pub(super) fn encode(module: &[u8], interfaces: &[String]) -> Result<Vec<u8>, BuildError> {
    check_imports(module, interfaces)?;
    let failed = |error: &dyn std::fmt::Display| BuildError::Encode(format!("{error:#}"));
    let (resolve, world) = narrow_world(interfaces)?;
    let mut module = without_world(module)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| failed(&error))?;
    let encoder = ComponentEncoder::default().module(&module).map_err(|error| failed(&error))?;
    encoder.validate(true).encode().map_err(|error| failed(&error))
}

/// What another toolchain made, as a component without a manifest. A core module that does not say its world is taken for one of the
/// contract's widest, of which it gets what it imports; what it imports of WASI's preview 1 is adapted.
pub(super) fn adopt(bytes: &[u8]) -> Result<Vec<u8>, BuildError> {
    if Parser::is_component(bytes) {
        return without_manifest(bytes);
    }
    let failed = |error: &dyn std::fmt::Display| BuildError::Encode(format!("{error:#}"));
    let mut module = bytes.to_vec();
    if !says_world(bytes)? {
        let everything: Vec<String> = GRANTED.iter().map(|name| (*name).to_owned()).collect();
        let (resolve, world) = narrow_world(&everything)?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .map_err(|error| failed(&error))?;
    }
    let mut encoder = ComponentEncoder::default().module(&module).map_err(|error| failed(&error))?;
    if imports(bytes)?.iter().any(|(from, _)| from == PREVIEW1) {
        encoder = encoder.adapter(PREVIEW1, REACTOR).map_err(|error| failed(&error))?;
    }
    encoder.validate(true).encode().map_err(|error| failed(&error))
}

/// Whether the bindings of a module left its world in it.
fn says_world(module: &[u8]) -> Result<bool, BuildError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CustomSection(section) = payload.map_err(unreadable)?
            && section.name().starts_with(WORLD_SECTION)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The component without the manifest that an earlier build put into it.
fn without_manifest(bytes: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut kept = Component::new();
    // How deep in modules and nested components the parser is; 1 is the component itself.
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(unreadable)?;
        match &payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {}
            _ if depth == 1 => {
                if let Some((id, range)) = payload.as_section() {
                    let data = bytes.get(range).unwrap_or_default();
                    kept.section(&RawSection { id, data });
                }
            }
            _ => {}
        }
    }
    Ok(kept.finish())
}

/// Refuses imports that are not of the contract, and those that the crate did not ask for; all of them at once.
fn check_imports(module: &[u8], interfaces: &[String]) -> Result<(), BuildError> {
    let mut foreign = Vec::new();
    let mut unasked = BTreeSet::new();
    for (from, name) in imports(module)? {
        match short_name(&from) {
            Some(interface)
                if ALWAYS_LINKED.contains(&interface)
                    || interfaces.iter().any(|asked| asked == interface) => {}
            Some(interface) if GRANTED.contains(&interface) => {
                unasked.insert(interface.to_owned());
            }
            _ => foreign.push(format!("{from} {name}")),
        }
    }
    if !foreign.is_empty() {
        return Err(BuildError::ForeignImport { imports: foreign });
    }
    if !unasked.is_empty() {
        return Err(BuildError::UnaskedInterface { interfaces: unasked.into_iter().collect() });
    }
    Ok(())
}

fn imports(module: &[u8]) -> Result<Vec<(String, String)>, BuildError> {
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload.map_err(unreadable)? {
            for import in section.into_imports() {
                let import = import.map_err(unreadable)?;
                found.push((import.module.to_owned(), import.name.to_owned()));
            }
        }
    }
    Ok(found)
}

fn unreadable(error: wasmparser::BinaryReaderError) -> BuildError {
    BuildError::Encode(format!("the module is not readable: {error}"))
}

/// The module without the world that its bindings put into it: theirs is the widest, ours the narrowest.
fn without_world(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let mut kept = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(unreadable)?;
        if let Payload::CustomSection(section) = &payload
            && section.name().starts_with(WORLD_SECTION)
        {
            continue;
        }
        if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).unwrap_or_default();
            kept.section(&RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{CustomSection, EntityType, ImportSection, TypeSection};

    fn module(imports: &[(&str, &str)]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut section = ImportSection::new();
        for (from, name) in imports {
            section.import(from, name, EntityType::Function(0));
        }
        let mut module = Module::new();
        module.section(&types).section(&section);
        module.section(&CustomSection { name: "component-type:old".into(), data: b"x".as_slice().into() });
        module.section(&CustomSection { name: "other".into(), data: b"y".as_slice().into() });
        module.finish()
    }

    #[test]
    fn foreign_imports_are_refused_all_at_once() {
        let module = module(&[
            ("env", "puts"),
            ("stageway:host/log@0.1.0", "write"),
            ("wasi_snapshot_preview1", "fd_write"),
            ("stageway:host/tasks@9.0.0", "start"),
        ]);
        let Err(BuildError::ForeignImport { imports }) = check_imports(&module, &[]) else {
            panic!("not refused")
        };
        assert_eq!(
            imports,
            ["env puts", "wasi_snapshot_preview1 fd_write", "stageway:host/tasks@9.0.0 start"]
        );
    }

    #[test]
    fn interfaces_must_be_asked_for() {
        let module = module(&[("stageway:host/tasks@0.1.0", "start"), ("stageway:host/http@0.1.0", "send")]);
        let Err(BuildError::UnaskedInterface { interfaces }) = check_imports(&module, &["tasks".to_owned()])
        else {
            panic!("not refused")
        };
        assert_eq!(interfaces, ["http"]);
        assert!(check_imports(&module, &["http".to_owned(), "tasks".to_owned()]).is_ok());
    }

    #[test]
    fn a_component_is_adopted_without_the_manifest_of_an_earlier_build() {
        let with = |manifests: &[&str]| {
            let mut component = Component::new();
            component.section(&wasm_encoder::ModuleSection(&{
                let mut inner = Module::new();
                inner.section(&CustomSection {
                    name: MANIFEST_SECTION.into(),
                    data: b"inner".as_slice().into(),
                });
                inner
            }));
            for manifest in manifests {
                component.section(&CustomSection {
                    name: MANIFEST_SECTION.into(),
                    data: manifest.as_bytes().into(),
                });
            }
            component.section(&CustomSection { name: "other".into(), data: b"y".as_slice().into() });
            component.finish()
        };
        assert_eq!(adopt(&with(&["one", "two"])).unwrap(), with(&[]), "what lies in its modules stays");
        assert!(matches!(adopt(b"hello"), Err(BuildError::Encode(_))));
    }

    #[test]
    fn only_the_world_is_taken_out() {
        let stripped = without_world(&module(&[("env", "puts")])).unwrap();
        let names: Vec<String> = Parser::new(0)
            .parse_all(&stripped)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(section) => Some(section.name().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["other"]);
        assert_eq!(imports(&stripped).unwrap(), [("env".to_owned(), "puts".to_owned())]);
    }
}
