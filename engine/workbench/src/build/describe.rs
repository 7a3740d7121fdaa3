//! The manifest: asked of the component twice, checked, and put into it.

use super::BuildError;
use super::contract::{GRANTED, short_name};
use crate::inspect::MANIFEST_SECTION;
use stageway_core::manifest::Manifest;
use stageway_ports::Guests;
use std::collections::BTreeSet;
use wasm_encoder::{ComponentSection, CustomSection};

/// The component with its manifest inside, and what should be known about it. `asked` are the interfaces that its sources name.
pub(super) async fn embed(
    component: Vec<u8>,
    asked: &[String],
    guests: &dyn Guests,
) -> Result<(Vec<u8>, Vec<String>), BuildError> {
    let digest = guests.prepare(&component).await?;
    let first = guests.describe(&digest).await?;
    let second = guests.describe(&digest).await?;
    if first != second {
        return Err(BuildError::NotRepeatable { first, second });
    }
    let imports = guests.inspect(&component)?.imports;
    let warnings = check(&first, &imports, asked)?;
    let mut bytes = component;
    CustomSection { name: MANIFEST_SECTION.into(), data: first.as_bytes().into() }
        .append_to_component(&mut bytes);
    Ok((bytes, warnings))
}

/// Checks the manifest by itself and against what the component imports.
fn check(manifest: &str, imports: &[String], asked: &[String]) -> Result<Vec<String>, BuildError> {
    let manifest = Manifest::parse(manifest.as_bytes()).map_err(BuildError::Manifest)?;
    let grants = manifest.grants.required.iter().chain(&manifest.grants.optional);
    let wanted: BTreeSet<&str> = grants.map(|grant| grant.interface.as_str()).collect();
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
    let unneeded = asked.iter().filter(|name| !imported.contains(name.as_str()));
    let unneeded =
        unneeded.map(|name| format!("`interfaces` names `{name}`, but the component never calls it"));
    Ok(unused.chain(unneeded).collect())
}
