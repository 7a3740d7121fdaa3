//! `grants`: what the file gives to the plugin of a stage.

use super::services::is_map;
use crate::diagnostic::codes;
use crate::document::{Map, Node, Reader, Value, reader::cut};
use crate::grant::{
    Access, ClusterAction, ClusterGrant, ClusterRule, EnvironmentsGrant, Grants, HostPattern, HttpGrant,
    ImageAction, ImagesGrant, Interface, SecretName, SecretsGrant, TaskNetwork, TasksGrant,
};
use crate::name::EnvironmentName;
use std::collections::{BTreeMap, BTreeSet};

/// The grants, and whether the network is refused to tasks in so many words.
pub(super) fn read(reader: &mut Reader, node: &Node) -> (Grants, bool) {
    let Some(map) = reader.map(node, &node.place, Interface::WORDS) else { return Default::default() };
    let (tasks, refused) = match map.get("tasks") {
        Some(node) => tasks(reader, node),
        None => (None, false),
    };
    let grants = Grants {
        workspace: access(reader, &map, "workspace"),
        artifacts: access(reader, &map, "artifacts"),
        source: access(reader, &map, "source"),
        tasks,
        images: map.get("images").and_then(|node| images(reader, node)),
        http: map.get("http").map(|node| {
            let hosts = reader.parsed::<HostPattern>(node, codes::UNSAFE_PATTERN);
            HttpGrant { hosts: hosts.into_iter().collect() }
        }),
        secrets: map.get("secrets").map(|node| {
            let names = reader.parsed::<SecretName>(node, codes::BAD_NAME);
            SecretsGrant { names: names.into_iter().map(|name| (name, BTreeSet::new())).collect() }
        }),
        environments: map.get("environments").map(|node| {
            let names = reader.parsed::<EnvironmentName>(node, codes::BAD_NAME);
            EnvironmentsGrant { names: names.into_iter().collect() }
        }),
        approvals: map.get("approvals").and_then(|node| reader.boolean(node)).unwrap_or(false),
        cluster: map.get("cluster").and_then(|node| cluster(reader, node)),
    };
    (grants, refused)
}

fn access(reader: &mut Reader, map: &Map<'_>, key: &str) -> Option<Access> {
    let node = map.get(key)?;
    if let Value::Bool(granted) = node.value {
        return granted.then_some(Access::Read);
    }
    let words: &[&str] = if key == "source" { &["read"] } else { Access::WORDS };
    Access::of(reader.word(node, words)?)
}

/// `true` or `{images, network}`.
fn tasks(reader: &mut Reader, node: &Node) -> (Option<TasksGrant>, bool) {
    if !is_map(node) {
        return (reader.boolean(node).filter(|granted| *granted).map(|_| TasksGrant::default()), false);
    }
    let Some(map) = reader.map(node, &node.place, &["images", "network"]) else { return (None, false) };
    let images = match map.get("images") {
        Some(node) => reader.parsed(node, codes::UNSAFE_PATTERN).into_iter().collect(),
        None => BTreeSet::new(),
    };
    let (network, refused) = match map.get("network") {
        Some(Node { value: Value::Bool(true), .. }) => (TaskNetwork::All, false),
        Some(Node { value: Value::Bool(false), .. }) => (TaskNetwork::None, true),
        Some(node) => {
            let hosts: BTreeSet<HostPattern> =
                reader.parsed(node, codes::UNSAFE_PATTERN).into_iter().collect();
            (if hosts.is_empty() { TaskNetwork::None } else { TaskNetwork::Hosts(hosts) }, false)
        }
        None => (TaskNetwork::None, false),
    };
    (Some(TasksGrant { images, network }), refused)
}

/// `{REPOSITORY: [ACTION]}`.
fn images(reader: &mut Reader, node: &Node) -> Option<ImagesGrant> {
    let map = reader.any_map(node, &node.place)?;
    let mut repositories = BTreeMap::new();
    for entry in map.entries() {
        let pattern = reader.parse(&entry.key, &entry.at, codes::UNSAFE_PATTERN);
        let actions = words(reader, &entry.value, ImageAction::WORDS).into_iter().filter_map(ImageAction::of);
        if let Some(pattern) = pattern {
            repositories.insert(pattern, actions.collect());
        }
    }
    Some(ImagesGrant { repositories })
}

fn words<'w>(reader: &mut Reader, node: &Node, known: &[&'w str]) -> Vec<&'w str> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    items.iter().filter_map(|item| reader.word(item, known)).collect()
}

/// `{CLUSTER: {namespaces, kinds, actions}}`.
fn cluster(reader: &mut Reader, node: &Node) -> Option<ClusterGrant> {
    let map = reader.any_map(node, &node.place)?;
    let mut clusters = BTreeMap::new();
    for entry in map.entries() {
        let Some(rule) = reader.map(&entry.value, &entry.at, &["namespaces", "kinds", "actions"]) else {
            continue;
        };
        let names = |reader: &mut Reader, key: &str| -> BTreeSet<String> {
            let Some(node) = reader.needed(&rule, key) else { return BTreeSet::new() };
            let texts = reader.texts(node);
            // The empty name among the namespaces is what lies in none.
            let none = |text: &str| key == "namespaces" && text.is_empty();
            let one = |(text, item): (&str, &Node)| match none(text) {
                true => Some(String::new()),
                false => plain(reader, text, item),
            };
            texts.into_iter().filter_map(one).collect()
        };
        let (namespaces, kinds) = (names(reader, "namespaces"), names(reader, "kinds"));
        let actions = match reader.needed(&rule, "actions") {
            Some(node) => {
                words(reader, node, ClusterAction::WORDS).into_iter().filter_map(ClusterAction::of).collect()
            }
            None => BTreeSet::new(),
        };
        clusters.insert(entry.key.clone(), ClusterRule { namespaces, kinds, actions });
    }
    Some(ClusterGrant { clusters })
}

fn plain(reader: &mut Reader, text: &str, item: &Node) -> Option<String> {
    let named = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !named {
        let message = format!("`{}` is not a name; patterns are not taken here", cut(text));
        reader.error(codes::UNSAFE_PATTERN, &item.place, message, "write the name itself");
        return None;
    }
    Some(text.to_owned())
}
