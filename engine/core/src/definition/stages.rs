//! One stage: its keys, in the order of the reference.

use super::matrix;
use super::pipeline::read_retry;
use super::stage::{artifacts, caches, from, limits, secrets, workspace};
use super::types::{DAY, StageDef};
use super::{approval, grants, services};
use crate::diagnostic::codes;
use crate::document::{Map, Node, Reader};
use crate::name::{EnvironmentName, StageName};
use crate::plugin::PluginRef;
use serde_json::{Map as Object, Value as Json};
use std::collections::BTreeSet;

/// The keys of a stage.
pub(crate) const STAGE_KEYS: [&str; 22] = [
    "uses",
    "needs",
    "when",
    "with",
    "inputs",
    "from",
    "workspace",
    "artifacts",
    "services",
    "caches",
    "secrets",
    "env",
    "matrix",
    "environment",
    "approval",
    "grants",
    "limits",
    "retry",
    "timeout",
    "uninterruptible",
    "finally",
    "paths",
];

/// Reads the stage of this name, and whether its `uses` is usable.
pub(super) fn read(reader: &mut Reader, name: &str, map: &Map<'_>) -> (StageDef, bool) {
    let uses = reader.needed(map, "uses").and_then(|node| {
        let text = reader.text(node)?;
        reader.parse::<PluginRef>(text, &node.place, codes::BAD_PLUGIN_REFERENCE)
    });
    let flag = |reader: &mut Reader, key| map.get(key).and_then(|node| reader.boolean(node)).unwrap_or(false);
    let (granted, network_refused) =
        map.get("grants").map(|node| grants::read(reader, node)).unwrap_or_default();
    let stage = StageDef {
        uses: uses.clone().unwrap_or_else(|| PluginRef::File("./unusable.wasm".into())),
        needs: map.get("needs").map(|node| needs(reader, node)).unwrap_or_default(),
        matrix: map.entry("matrix").map(|entry| matrix::read(reader, name, entry)),
        when: map.get("when").and_then(|node| condition(reader, node)),
        with: map.get("with").map(|node| with(reader, node)).unwrap_or_else(|| Json::Object(Object::new())),
        inputs: map.get("inputs").map(|node| reader.globs(node)),
        from: map.get("from").map(|node| from(reader, node)).unwrap_or_default(),
        workspace: map.get("workspace").map(|node| workspace(reader, node)).unwrap_or_default(),
        artifacts: map.get("artifacts").map(|node| artifacts(reader, node)).unwrap_or_default(),
        services: map.get("services").map(|node| services::read(reader, node)).unwrap_or_default(),
        caches: map.get("caches").map(|node| caches(reader, node)).unwrap_or_default(),
        secrets: map.get("secrets").map(|node| secrets(reader, node)).unwrap_or_default(),
        env: map.get("env").map(|node| services::variables(reader, node)).unwrap_or_default(),
        environment: map.get("environment").and_then(|node| {
            let text = reader.text(node)?;
            reader.parse::<EnvironmentName>(text, &node.place, codes::BAD_NAME)
        }),
        approval: map.get("approval").and_then(|node| approval::read(reader, node)),
        grants: granted,
        network_refused,
        limits: map.get("limits").map(|node| limits(reader, node)).unwrap_or_default(),
        retry: map.get("retry").and_then(|node| read_retry(reader, node)),
        timeout_ms: map.get("timeout").and_then(|node| reader.duration(node, 1_000, 30 * DAY)),
        uninterruptible: flag(reader, "uninterruptible"),
        finally: flag(reader, "finally"),
        paths: map.get("paths").map(|node| reader.globs(node)).unwrap_or_default(),
    };
    conflicts(reader, map, &stage);
    (stage, uses.is_some())
}

fn conflicts(reader: &mut Reader, map: &Map<'_>, stage: &StageDef) {
    let mut conflict = |key: &str, message: &str, remedy: &str| {
        let at = map.entry(key).map_or(map.at(), |entry| &entry.at);
        reader.error(codes::CONFLICT, at, message, remedy);
    };
    if stage.finally && stage.environment.is_some() {
        conflict("environment", "a `finally` stage cannot wait for an environment", "remove one of the two");
    }
    if stage.finally && stage.approval.is_some() {
        conflict("approval", "a `finally` stage cannot wait for an approval", "remove one of the two");
    }
    if stage.finally && stage.timeout_ms.is_some_and(|timeout| timeout > 600_000) {
        conflict("timeout", "`finally` stages have ten minutes in all", "use a timeout of at most `10m`");
    }
    for name in stage.secrets.keys().filter(|name| stage.env.contains_key(*name)) {
        conflict(
            "secrets",
            &format!("`{name}` is set under `env` and under `secrets`"),
            "remove one of the two",
        );
    }
}

fn needs(reader: &mut Reader, node: &Node) -> BTreeSet<StageName> {
    reader.parsed::<StageName>(node, codes::BAD_NAME).into_iter().collect()
}

/// A `when`: an expression without its braces.
pub(super) fn condition(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.scalar_text(node)?;
    let trimmed = text.trim();
    if trimmed.starts_with("${{") && trimmed.ends_with("}}") {
        let remedy = "remove `${{` and `}}`";
        reader.error(codes::EXPRESSION_SYNTAX, &node.place, "`when` is a bare expression", remedy);
        return None;
    }
    Some(text)
}

fn with(reader: &mut Reader, node: &Node) -> Json {
    match reader.any_map(node, &node.place) {
        Some(_) => node.to_json(),
        None => Json::Object(Object::new()),
    }
}
