//! The manifest: asked of the component twice, checked, and put into it.

use super::BuildError;
use super::contract::{GRANTED, short_name};
use super::package::Package;
use crate::inspect::MANIFEST_SECTION;
use stageway_core::diagnostic::{Diagnostic, codes};
use stageway_ports::Guests;
use std::collections::BTreeSet;
use wasm_encoder::{ComponentSection, CustomSection};

/// The component with its manifest inside, and what should be known about it.
pub(super) async fn embed(
    component: Vec<u8>,
    package: &Package,
    guests: &dyn Guests,
) -> Result<(Vec<u8>, Vec<String>), BuildError> {
    let digest = guests.prepare(&component).await?;
    let first = guests.describe(&digest).await?;
    let second = guests.describe(&digest).await?;
    if first != second {
        return Err(BuildError::NotRepeatable { first, second });
    }
    let imports = guests.inspect(&component)?.imports;
    let warnings = check(&first, &imports, package)?;
    let mut bytes = component;
    CustomSection { name: MANIFEST_SECTION.into(), data: first.as_bytes().into() }
        .append_to_component(&mut bytes);
    Ok((bytes, warnings))
}

/// Checks the manifest by itself and against what the component imports.
fn check(manifest: &str, imports: &[String], package: &Package) -> Result<Vec<String>, BuildError> {
    let wanted = wanted(manifest)?;
    let wanted: BTreeSet<&str> = wanted.iter().map(String::as_str).collect();
    let imported: BTreeSet<&str> = imports
        .iter()
        .filter_map(|import| short_name(import))
        .filter(|name| GRANTED.contains(name))
        .collect();
    let unwanted: Vec<String> = imported.difference(&wanted).map(|name| (*name).to_owned()).collect();
    if !unwanted.is_empty() {
        return Err(BuildError::UnwantedInterface { interfaces: unwanted });
    }
    let unused = wanted
        .difference(&imported)
        .map(|name| format!("the manifest wants `{name}`, but the component never calls it"));
    let unneeded = package.interfaces.iter().filter(|name| !imported.contains(name.as_str()));
    let unneeded =
        unneeded.map(|name| format!("`interfaces` names `{name}`, but the component never calls it"));
    Ok(unused.chain(unneeded).collect())
}

/// The interfaces that the manifest wants a grant for.
fn wanted(manifest: &str) -> Result<Vec<String>, BuildError> {
    let refused = |error: serde_json::Error| {
        let remedy = "look at the texts that the manifest is made of";
        BuildError::Manifest(vec![Diagnostic::error(codes::MANIFEST_JSON, error.to_string(), remedy)])
    };
    let manifest: serde_json::Value = serde_json::from_str(manifest).map_err(refused)?;
    let lists = ["/grants/required", "/grants/optional"]
        .into_iter()
        .filter_map(|pointer| manifest.pointer(pointer)?.as_array());
    Ok(lists.flatten().filter_map(|grant| Some(grant["interface"].as_str()?.to_owned())).collect())
}
