//! The keys of the pipeline itself.

use super::matrix;
use super::stages::{STAGE_KEYS, read as read_stage};
use super::types::{ConcurrencyDef, DAY, Definition, MAX_STAGES, StageDef};
use super::{parameters, services};
use crate::diagnostic::codes;
use crate::document::{Map, Node, Places, Reader, Value};
use crate::name::{PipelineName, StageName};
use crate::plan::{Backoff, Retry, RetryOn, WhenNewer};
use crate::trigger;
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The keys at the top of a file.
pub(crate) const PIPELINE_KEYS: [&str; 9] =
    ["pipeline", "on", "concurrency", "parameters", "vars", "env", "timeout", "retry", "stages"];

/// What was understood of a file. It is checked whole; then what is unusable is left out.
pub(super) struct Lowered {
    pub(super) definition: Definition,
    /// The names of all stages, those included that are no map.
    pub(super) named: BTreeSet<StageName>,
    /// Stages without a usable plugin.
    pub(super) unusable: BTreeSet<StageName>,
    /// The pipeline has a usable name.
    pub(super) is_named: bool,
}

impl Lowered {
    /// The definition without what is unusable.
    pub(super) fn usable(mut self) -> Option<Definition> {
        self.definition.stages.retain(|name, _| !self.unusable.contains(name));
        self.is_named.then_some(self.definition)
    }
}

pub(super) fn read(reader: &mut Reader, file: &str, root: &Node, places: Places) -> Option<Lowered> {
    let map = reader.map(root, &root.place, &PIPELINE_KEYS)?;
    let pipeline = reader.needed(&map, "pipeline").and_then(|node| {
        let text = reader.text(node)?;
        reader.parse::<PipelineName>(text, &node.place, codes::BAD_NAME)
    });
    let on = map.get("on").map(|node| trigger::read(reader, node)).unwrap_or_default();
    let concurrency = map.get("concurrency").and_then(|node| concurrency(reader, node));
    let parameters = map.get("parameters").map(|node| parameters::read(reader, node)).unwrap_or_default();
    let vars = map.get("vars").map(|node| vars(reader, node)).unwrap_or_default();
    let env = map.get("env").map(|node| services::variables(reader, node)).unwrap_or_default();
    let timeout_ms = map.get("timeout").and_then(|node| reader.duration(node, 1_000, 30 * DAY));
    let retry = map.get("retry").and_then(|node| read_retry(reader, node));
    let (stages, named, unusable) = stages(reader, &map);
    let definition = Definition {
        file: file.to_owned(),
        pipeline: pipeline.clone().unwrap_or_else(unnamed),
        on,
        concurrency,
        parameters,
        vars,
        env,
        timeout_ms,
        retry,
        stages,
        places,
    };
    Some(Lowered { definition, named, unusable, is_named: pipeline.is_some() })
}

/// Stands for a name that is not usable while the rest is checked.
fn unnamed() -> PipelineName {
    PipelineName::new("unnamed").expect("the text keeps the rule of names")
}

type Stages = (IndexMap<StageName, StageDef>, BTreeSet<StageName>, BTreeSet<StageName>);

/// The stages, the names of all, and those without a usable plugin.
fn stages(reader: &mut Reader, map: &Map<'_>) -> Stages {
    let (mut stages, mut named, mut unusable) = Stages::default();
    let Some(node) = reader.needed(map, "stages") else { return (stages, named, unusable) };
    let Some(all) = reader.any_map(node, &node.place) else { return (stages, named, unusable) };
    if all.entries().is_empty() {
        reader.error(codes::NO_STAGES, &node.place, "the pipeline has no stages", "add at least one stage");
    }
    if let Some(first) = all.entries().get(MAX_STAGES) {
        let message = format!("the pipeline has more than {MAX_STAGES} stages");
        reader.error(codes::TOO_LARGE, &first.at, message, "split the pipeline");
    }
    let mut matrices = Vec::new();
    for entry in all.entries().iter().take(MAX_STAGES) {
        let name = reader.parse::<StageName>(&entry.key, &entry.at, codes::BAD_NAME);
        let map = reader.map(&entry.value, &entry.at, &STAGE_KEYS);
        let stage = map.map(|map| read_stage(reader, &entry.key, &map));
        named.extend(name.clone());
        if let (Some(name), Some((stage, usable))) = (name, stage) {
            if !usable {
                unusable.insert(name.clone());
            }
            if let Some(key) = entry.value.entry("matrix") {
                matrices.push((name.clone(), key.at.clone()));
            }
            stages.insert(name, stage);
        }
    }
    matrix::alike(reader, &named, &stages, &matrices);
    (stages, named, unusable)
}

fn concurrency(reader: &mut Reader, node: &Node) -> Option<ConcurrencyDef> {
    if let Value::Text(group) = &node.value {
        return Some(ConcurrencyDef { group: group.clone(), when_newer: WhenNewer::default() });
    }
    let map = reader.map(node, &node.place, &["group", "when-newer"])?;
    let group = reader.needed(&map, "group").and_then(|node| reader.scalar_text(node));
    let words = ["wait", "cancel-queued", "cancel-running"];
    let when_newer = match map.get("when-newer").and_then(|node| reader.word(node, &words)) {
        Some("cancel-queued") => WhenNewer::CancelQueued,
        Some("cancel-running") => WhenNewer::CancelRunning,
        _ => WhenNewer::Wait,
    };
    Some(ConcurrencyDef { group: group?, when_newer })
}

/// `vars`: a name each, with any value.
pub(crate) fn vars(reader: &mut Reader, node: &Node) -> BTreeMap<String, Json> {
    let Some(map) = reader.any_map(node, &node.place) else { return BTreeMap::new() };
    let mut vars = BTreeMap::new();
    for entry in map.entries() {
        vars.insert(entry.key.clone(), entry.value.to_json());
    }
    vars
}

/// `retry: 3` or `retry: { attempts, on, backoff }`.
pub(super) fn read_retry(reader: &mut Reader, node: &Node) -> Option<Retry> {
    if let Value::Number(_) = &node.value {
        let attempts = reader.integer(node, 1, 10)? as u32;
        return Some(Retry { attempts, ..Retry::default() });
    }
    let map = reader.map(node, &node.place, &["attempts", "on", "backoff"])?;
    let attempts = reader.needed(&map, "attempts").and_then(|node| reader.integer(node, 1, 10));
    let on = map.get("on").map(|node| retry_on(reader, node));
    let first_ms = map.get("backoff").and_then(|node| reader.duration(node, 0, DAY));
    let plain = Retry::default();
    Some(Retry {
        attempts: attempts? as u32,
        on: on.unwrap_or(plain.on),
        backoff: first_ms.map_or(plain.backoff, |first_ms| Backoff { first_ms, ..plain.backoff }),
    })
}

fn retry_on(reader: &mut Reader, node: &Node) -> BTreeSet<RetryOn> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let word = |reader: &mut Reader, item| match reader.word(item, &["errored", "failed"])? {
        "failed" => Some(RetryOn::Failed),
        _ => Some(RetryOn::Errored),
    };
    items.iter().filter_map(|item| word(reader, item)).collect()
}
