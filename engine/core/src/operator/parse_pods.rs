//! Reading where tasks run besides this machine, with all problems.

use super::parse::{by_tenant, texts};
use super::parse_template::{label, template};
use super::types::{ClusterAccess, PodTasks, PodToleration, Pods};
use crate::diagnostic::{codes, nearest};
use crate::document::{Map, Node, Reader, reader::cut};
use std::collections::BTreeMap;

const KEYS: &[&str] = &[
    "cluster",
    "namespace",
    "namespaces",
    "tasks",
    "helper",
    "toolbox",
    "registries",
    "service-account",
    "identities",
    "pull-secrets",
    "node-selector",
    "tolerations",
    "start-within",
    "root-images",
    "template",
];
const EFFECTS: &[&str] = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
/// For how long a task may be let wait for its node and its image, in milliseconds.
const START: (u64, u64) = (1_000, 24 * 3_600_000);

pub(super) fn pods(
    reader: &mut Reader,
    node: &Node,
    clusters: &BTreeMap<String, ClusterAccess>,
) -> Option<Pods> {
    let map = reader.map(node, &node.place, KEYS)?;
    let cluster = reader.needed(&map, "cluster").and_then(|node| cluster(reader, node, clusters));
    let namespace = reader.needed(&map, "namespace").and_then(|node| object(reader, node));
    let tasks = match map.get("tasks").and_then(|node| reader.word(node, &["images", "all"])) {
        Some("all") => PodTasks::All,
        _ => PodTasks::Images,
    };
    let one = |reader: &mut Reader, key: &str| map.get(key).and_then(|node| image(reader, node));
    let pods = Pods {
        cluster: String::new(),
        namespace: String::new(),
        namespaces: map.get("namespaces").map(|node| by_tenant(reader, node, object)).unwrap_or_default(),
        tasks,
        helper: one(reader, "helper"),
        toolbox: one(reader, "toolbox"),
        registries: texts(reader, &map, "registries", |reader, entry| image(reader, &entry.value)),
        service_account: map.get("service-account").and_then(|node| object(reader, node)),
        identities: objects(reader, &map, "identities"),
        pull_secrets: objects(reader, &map, "pull-secrets"),
        node_selector: texts(reader, &map, "node-selector", |reader, entry| label(reader, &entry.value)),
        tolerations: map.get("tolerations").map(|node| tolerations(reader, node)).unwrap_or_default(),
        start_within_ms: map.get("start-within").and_then(|node| reader.duration(node, START.0, START.1)),
        root_images: map
            .get("root-images")
            .map(|node| reader.parsed(node, codes::BAD_VALUE))
            .unwrap_or_default(),
        template: map.get("template").and_then(|node| template(reader, node)).unwrap_or_default(),
    };
    if let (PodTasks::All, None, Some(tasks)) = (pods.tasks, map.get("toolbox"), map.get("tasks")) {
        let message = "every task is to be a pod, and nothing says with which image those run that name none";
        reader.error(codes::MISSING_KEY, &tasks.place, message, "add `toolbox` with an image");
    }
    Some(Pods { cluster: cluster?, namespace: namespace?, ..pods })
}

fn cluster(reader: &mut Reader, node: &Node, clusters: &BTreeMap<String, ClusterAccess>) -> Option<String> {
    let name = reader.text(node)?;
    if clusters.contains_key(name) {
        return Some(name.to_owned());
    }
    let remedy = match nearest(name, clusters.keys().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "describe it under `clusters` in this file".to_owned(),
    };
    reader.error(codes::BAD_VALUE, &node.place, format!("no cluster has the name `{}`", cut(name)), remedy);
    None
}

/// The name of an object of a cluster.
fn object(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b));
    if plain && text.len() <= 253 && ends(text.chars().next()) && ends(text.chars().last()) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is not the name of an object of a cluster", cut(text));
    let remedy = "use lower-case letters, digits, `-` and `.`, and begin and end with a letter or digit";
    reader.error(codes::BAD_NAME, &node.place, message, remedy);
    None
}

fn objects(reader: &mut Reader, map: &Map<'_>, key: &str) -> Vec<String> {
    let Some(node) = map.get(key) else { return Vec::new() };
    let mut found: Vec<String> = Vec::new();
    for (text, item) in reader.texts(node) {
        if found.iter().any(|earlier| earlier == text) {
            reader.duplicate(text, &item.place);
        } else {
            found.extend(object(reader, item));
        }
    }
    found
}

/// What the nodes pull by: a reference or the beginning of one.
fn image(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    if !text.is_empty()
        && text.len() <= 512
        && text.chars().all(|c| c.is_ascii_graphic())
        && !text.contains("://")
    {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let message = format!("`{}` is not what a node could pull", cut(text));
    let remedy = "write it as in `registry.example.com/team/image@sha256:…`";
    reader.error(codes::BAD_VALUE, &node.place, message, remedy);
    None
}

fn tolerations(reader: &mut Reader, node: &Node) -> Vec<PodToleration> {
    let mut found = Vec::new();
    for item in reader.list(node).unwrap_or_default() {
        let Some(map) = reader.map(item, &item.place, &["key", "value", "effect"]) else { continue };
        let text = |reader: &mut Reader, key: &str| map.get(key).and_then(|node| reader.scalar_text(node));
        let effect = map.get("effect").and_then(|node| reader.word(node, EFFECTS)).map(str::to_owned);
        let toleration = PodToleration { key: text(reader, "key"), value: text(reader, "value"), effect };
        if toleration.key.is_none() && toleration.value.is_some() {
            let message = "a toleration has a `value` and no `key`";
            reader.error(codes::MISSING_KEY, &item.place, message, "add `key`");
        }
        found.push(toleration);
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::operator::{Operator, PodTasks, PodToleration};

    #[test]
    fn everything_that_can_be_said_is_read() {
        let text = "
clusters: { work: {} }
executor:
  cluster: work
  namespace: ci
  namespaces: { acme: acme-ci }
  tasks: all
  helper: registry.example.com/stageway-pod@sha256:0
  toolbox: registry.example.com/toolbox:1
  registries: { build: registry.example.com/team/ }
  service-account: tasks
  identities: [deployer]
  pull-secrets: registry
  node-selector: { pool: ci }
  tolerations: [{ key: ci, value: only, effect: NoSchedule }, {}]
  start-within: 10m
  root-images: [build/kaniko]
";
        let pods = Operator::parse("config.yaml", text.as_bytes()).unwrap().executor.unwrap();
        assert_eq!(
            (pods.cluster.as_str(), pods.namespace.as_str(), pods.tasks),
            ("work", "ci", PodTasks::All)
        );
        assert_eq!(pods.namespaces["acme"], "acme-ci");
        assert_eq!(pods.registries["build"], "registry.example.com/team");
        assert_eq!((pods.pull_secrets, pods.identities), (vec!["registry".into()], vec!["deployer".into()]));
        assert_eq!(pods.tolerations[0].effect.as_deref(), Some("NoSchedule"));
        assert_eq!(pods.tolerations[1], PodToleration::default());
        assert_eq!(pods.start_within_ms, Some(600_000));
        assert!(pods.root_images[0].matches("build/kaniko@sha256:0"));
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "clusters: { work: {} }
executor:
  cluster: wrok
  namespace: Ci
  namespaces: { \"A b\": x, acme: Acme }
  tasks: all
  helper: \"https://x\"
  pull-secrets: [a, a]
  node-selector: { a: \"b c\" }
  tolerations: [{ value: x }, { effect: Never }]
  start-within: 0s
  root-images: [\"*\"]
  helpre: x
";
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let lines: Vec<u32> = found.iter().map(|one| one.place.as_ref().unwrap().line).collect();
        for line in [3, 4, 5, 6, 7, 8, 9, 10, 11, 13] {
            assert!(lines.contains(&line), "{line} {found:#?}");
        }
        assert_eq!(lines.iter().filter(|line| **line == 5).count(), 2, "{found:#?}");
        assert!(found[0].remedy.contains("`work`"), "{}", found[0]);
    }
}
