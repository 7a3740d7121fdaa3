//! The keys of a stage that are small maps.

use super::types::{LIMIT_KEYS, Limits};
use crate::diagnostic::codes;
use crate::document::{Node, Reader, Value, reader::cut};
use crate::grant::SecretName;
use crate::name::StageName;
use crate::plan::{Artifact, WorkspaceOptions};
use std::collections::BTreeMap;

/// `artifacts: {NAME: path}`.
pub(super) fn artifacts(reader: &mut Reader, node: &Node) -> BTreeMap<String, String> {
    let Some(map) = reader.any_map(node, &node.place) else { return BTreeMap::new() };
    let mut artifacts = BTreeMap::new();
    for entry in map.entries() {
        if !is_name(&entry.key) {
            let message = "an artifact has 1 to 63 letters, digits, `_`, `.` and `-`";
            reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
        } else if let Some(path) = reader.path(&entry.value) {
            artifacts.insert(entry.key.clone(), path);
        }
    }
    artifacts
}

pub(super) fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `from: {PATH: stages.STAGE.artifacts.NAME}`.
pub(super) fn from(reader: &mut Reader, node: &Node) -> BTreeMap<String, Artifact> {
    let Some(map) = reader.any_map(node, &node.place) else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for entry in map.entries() {
        let key = Node { value: Value::Text(entry.key.clone()), place: entry.at.clone() };
        let path = reader.path(&key);
        let Some(text) = reader.text(&entry.value) else { continue };
        match (path, artifact(text)) {
            (Some(path), Some(artifact)) => {
                found.insert(path, artifact);
            }
            (_, None) => {
                let message = format!("`{}` names no artifact of a stage", cut(text));
                let remedy = "write it as in `stages.build.artifacts.binary`";
                reader.error(codes::BAD_FROM, &entry.value.place, message, remedy);
            }
            (None, Some(_)) => {}
        }
    }
    found
}

fn artifact(text: &str) -> Option<Artifact> {
    let (stage, name) = text.strip_prefix("stages.")?.split_once(".artifacts.")?;
    let name = is_name(name).then(|| name.to_owned())?;
    Some(Artifact { stage: StageName::new(stage).ok()?, name })
}

/// `workspace: {submodules, depth}`.
pub(super) fn workspace(reader: &mut Reader, node: &Node) -> WorkspaceOptions {
    let mut options = WorkspaceOptions::default();
    let Some(map) = reader.map(node, &node.place, &["submodules", "depth"]) else { return options };
    if let Some(submodules) = map.get("submodules").and_then(|node| reader.boolean(node)) {
        options.submodules = submodules;
    }
    options.depth =
        map.get("depth").and_then(|node| reader.integer(node, 1, 1_000_000)).map(|depth| depth as u32);
    options
}

/// `caches: {NAME: path}` or `caches: [cargo]`.
pub(super) fn caches(reader: &mut Reader, node: &Node) -> BTreeMap<String, Option<String>> {
    let mut caches = BTreeMap::new();
    if let Value::List(_) = &node.value {
        for (name, item) in reader.texts(node) {
            match name {
                "cargo" if caches.contains_key(name) => reader.duplicate(name, &item.place),
                "cargo" => {
                    caches.insert(name.to_owned(), None);
                }
                _ => {
                    let message = format!("`{}` is not a cache whose place is known", cut(name));
                    let remedy = "write `caches: { NAME: path }`; the one with a known place is `cargo`";
                    reader.error(codes::BAD_VALUE, &item.place, message, remedy);
                }
            }
        }
        return caches;
    }
    let Some(map) = reader.any_map(node, &node.place) else { return caches };
    for entry in map.entries() {
        let Some(path) = reader.text(&entry.value) else { continue };
        let whole = path.strip_prefix('/').unwrap_or(path);
        let inside = whole.split('/').all(|part| !part.is_empty() && part != ".." && part != ".");
        if !is_name(&entry.key) {
            let message = "a cache has 1 to 63 letters, digits, `_`, `.` and `-`";
            reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
        } else if !inside || path.contains('\0') {
            let message = format!("`{}` is not a path without `..`", cut(path));
            reader.error(codes::BAD_PATH, &entry.value.place, message, "write a plain path");
        } else {
            caches.insert(entry.key.clone(), Some(path.to_owned()));
        }
    }
    caches
}

/// `secrets: {VARIABLE: SECRET}`.
pub(super) fn secrets(reader: &mut Reader, node: &Node) -> BTreeMap<String, SecretName> {
    let Some(map) = reader.any_map(node, &node.place) else { return BTreeMap::new() };
    let mut secrets = BTreeMap::new();
    for entry in map.entries() {
        let named = super::services::variable_name(reader, entry);
        let Some(text) = reader.text(&entry.value) else { continue };
        let secret = reader.parse::<SecretName>(text, &entry.value.place, codes::BAD_NAME);
        if let (true, Some(secret)) = (named, secret) {
            secrets.insert(entry.key.clone(), secret);
        }
    }
    secrets
}

/// `limits: {NAME: number}`.
pub(super) fn limits(reader: &mut Reader, node: &Node) -> Limits {
    let known: Vec<&str> = LIMIT_KEYS.iter().map(|(key, _)| *key).collect();
    let Some(map) = reader.map(node, &node.place, &known) else { return Limits::new() };
    let mut limits = Limits::new();
    for (key, most) in LIMIT_KEYS {
        if let Some(value) = map.get(key).and_then(|node| reader.integer(node, 1, most)) {
            limits.insert(key.to_owned(), value);
        }
    }
    limits
}
