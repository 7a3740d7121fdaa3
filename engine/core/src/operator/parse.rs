//! Reading the operator's configuration, with all its problems.

use super::parse_clusters::clusters;
use super::parse_connections::connections;
use super::parse_pods::pods;
use super::parse_service;
use super::types::Operator;
use crate::diagnostic::{Diagnostic, any_error, codes, sort};
use crate::document::{Entry, Map, Node, Reader, Value, load, reader::cut};
use crate::name::TenantId;
use crate::policy::{egress, source};
use std::collections::BTreeMap;

const KEYS: [&str; 10] = [
    "state",
    "database",
    "blobs",
    "plugins",
    "policy",
    "connections",
    "clusters",
    "executor",
    "toolbox",
    "egress",
];

fn keys() -> Vec<&'static str> {
    KEYS.into_iter().chain(parse_service::KEYS).collect()
}

impl Operator {
    /// Reads a configuration. An empty file says nothing, and nothing is wrong with that.
    ///
    /// # Errors
    /// Every problem, in the order of the file, warnings included.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let loaded = load(file, bytes);
        let mut diagnostics = loaded.diagnostics;
        let mut reader = Reader::default();
        let operator = match &loaded.document {
            Some((Node { value: Value::Null, .. }, _)) => Some(Self::default()),
            Some((root, _)) => operator(&mut reader, root),
            None => None,
        };
        diagnostics.extend(reader.diagnostics);
        sort(&mut diagnostics);
        match operator {
            Some(operator) if !any_error(&diagnostics) => Ok(operator),
            _ => Err(diagnostics),
        }
    }
}

fn operator(reader: &mut Reader, root: &Node) -> Option<Operator> {
    let map = reader.map(root, &root.place, &keys())?;
    let clusters = map.get("clusters").map(|node| clusters(reader, node)).unwrap_or_default();
    Some(Operator {
        executor: map.get("executor").and_then(|node| pods(reader, node, &clusters)),
        state: place(reader, &map, "state"),
        database: map.get("database").and_then(|node| source(reader, node, "database address")),
        blobs: place(reader, &map, "blobs"),
        plugins: places(reader, &map, "plugins"),
        policy: place(reader, &map, "policy"),
        connections: map.get("connections").map(|node| connections(reader, node)).unwrap_or_default(),
        clusters,
        toolbox: places(reader, &map, "toolbox"),
        egress: map.get("egress").map(|node| egress(reader, node)).unwrap_or_default(),
        service: parse_service::service(reader, &map),
    })
}

/// Reports a name of the operator's own that is none: of a connection or a cluster.
pub(super) fn check_name(reader: &mut Reader, entry: &Entry, kind: &str) {
    let plain = entry.key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !plain || !entry.key.starts_with(|c: char| c.is_ascii_lowercase()) {
        let message = format!("`{}` is not the name of a {kind}", cut(&entry.key));
        reader.error(codes::BAD_NAME, &entry.at, message, "use lower-case letters, digits and `-`");
    }
}

/// Texts by names of any kind.
pub(super) fn texts(
    reader: &mut Reader,
    map: &Map<'_>,
    key: &str,
    read: impl Fn(&mut Reader, &Entry) -> Option<String>,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Some(all) = map.get(key).and_then(|node| reader.any_map(node, &node.place)) else { return found };
    for entry in all.entries() {
        if let Some(text) = read(reader, entry) {
            found.insert(entry.key.clone(), text);
        }
    }
    found
}

/// What is said of each tenant.
pub(super) fn by_tenant<V>(
    reader: &mut Reader,
    node: &Node,
    read: fn(&mut Reader, &Node) -> Option<V>,
) -> BTreeMap<TenantId, V> {
    let mut found = BTreeMap::new();
    let Some(all) = reader.any_map(node, &node.place) else { return found };
    for entry in all.entries() {
        let tenant = reader.parse::<TenantId>(&entry.key, &entry.at, codes::BAD_NAME);
        let value = read(reader, &entry.value);
        found.extend(tenant.zip(value));
    }
    found
}

/// A path of the machine.
pub(super) fn place(reader: &mut Reader, map: &Map<'_>, key: &str) -> Option<String> {
    map.get(key).and_then(|node| path(reader, node))
}

fn places(reader: &mut Reader, map: &Map<'_>, key: &str) -> Option<Vec<String>> {
    let node = map.get(key)?;
    let mut found: Vec<String> = Vec::new();
    for (text, item) in reader.texts(node) {
        if found.iter().any(|earlier| earlier == text) {
            reader.duplicate(text, &item.place);
        } else {
            found.extend(path(reader, item));
        }
    }
    Some(found)
}

pub(super) fn path(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    if text.is_empty() || text.contains('\0') || text.len() > 4096 {
        let message = format!("`{}` is not a path of this machine", cut(text));
        reader.error(
            codes::BAD_PATH,
            &node.place,
            message,
            "write an absolute path, or one relative to this file",
        );
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Connection;
    use crate::policy::SecretSource;

    const SAMPLE: &str = "
state: /var/lib/stageway
database: file:database
blobs: /mnt/blobs
plugins: [plugins, /usr/share/stageway/plugins]
policy: policy.yaml
connections:
  build: { layout: images/build }
  production: { registry: registry.example.com, login: { user: ci, password: env:REGISTRY_PASSWORD } }
toolbox: [~/.cargo/bin]
egress: { allow: [\"127.0.0.1:9090\"] }
";

    #[test]
    fn a_whole_configuration_is_read() {
        let operator = Operator::parse("config.yaml", SAMPLE.as_bytes()).unwrap();
        assert_eq!(operator.state.as_deref(), Some("/var/lib/stageway"));
        assert_eq!(operator.database, Some(SecretSource::File("database".into())));
        assert_eq!(operator.blobs.as_deref(), Some("/mnt/blobs"));
        assert_eq!(operator.plugins.as_ref().map(Vec::len), Some(2));
        assert_eq!(operator.connections["build"], Connection::Layout("images/build".into()));
        let Connection::Registry(registry) = &operator.connections["production"] else {
            panic!("a registry")
        };
        assert_eq!(registry.address, "registry.example.com");
        let password = registry.login.as_ref().map(|login| login.password.clone());
        assert_eq!(password, Some(SecretSource::Env("REGISTRY_PASSWORD".into())));
        assert_eq!(operator.egress.allow.len(), 1);
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(Operator::parse("config.yaml", b"").unwrap(), Operator::default());
        assert_eq!(Operator::parse("config.yaml", b"# nothing yet\n").unwrap(), Operator::default());
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "stat: /x\nconnections:\n  Build: { layout: a }\n  b: { layout: a, registry: c }\n  c: { registry: \"https://x\", login: { user: u, password: hunter2 } }\n  d: { layout: a, insecure: true }\ntoolbox: [a, a]\negress: { allow: [\"*\"] }\n";
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let told: Vec<String> =
            found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
        assert_eq!(
            told,
            ["1:SW0110", "3:SW0114", "4:SW0111", "5:SW0113", "5:SW0113", "6:SW0113", "7:SW0120", "8:SW0128"]
        );
        assert!(found[0].remedy.contains("`state`"), "{}", found[0]);
        assert!(!found.iter().any(|d| d.message.contains("hunter2")), "a password is never repeated");
    }
}
