//! Reading `policy.yaml`, with all its problems.

use super::defaults::{default_plugins, everything, nothing};
use super::types::{
    Allow, ApprovalRule, CacheRule, Connections, Egress, EnvironmentRule, GrantSource, NetworkRule,
    PluginPattern, PluginRule, Policy, PolicyLimits, SecretRule, SecretSource, SecretsRule, TrustRule,
    TrustRules,
};
use crate::definition::{LIMIT_KEYS, vars};
use crate::diagnostic::{Diagnostic, any_error, codes, sort};
use crate::document::{Entry, Map, Node, Reader, Value, load, reader::cut};
use crate::event::Trust;
use crate::grant::{HostPattern, Interface, SecretName, Sink};
use crate::plugin::PluginName;
use crate::trigger;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet};

const KEYS: [&str; 7] = ["trust", "environments", "plugins", "secrets", "limits", "egress", "vars"];
const RULE_KEYS: [&str; 6] = ["allow", "connections", "network", "secrets", "cache", "approval"];

impl Policy {
    /// Reads a policy. What it does not say about `fork` and `member` is refused to them; `protected` may everything
    /// unless it says otherwise; without `plugins` the built-in rules hold.
    ///
    /// # Errors
    /// Every problem, in the order of the file, warnings included.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Vec<Diagnostic>> {
        let loaded = load(file, bytes);
        let mut diagnostics = loaded.diagnostics;
        let mut reader = Reader::default();
        let policy = loaded.document.as_ref().and_then(|(root, _)| policy(&mut reader, root));
        diagnostics.extend(reader.diagnostics);
        sort(&mut diagnostics);
        match policy {
            Some(policy) if !any_error(&diagnostics) => Ok(policy),
            _ => Err(diagnostics),
        }
    }
}

fn policy(reader: &mut Reader, root: &Node) -> Option<Policy> {
    let map = reader.map(root, &root.place, &KEYS)?;
    let trust = reader.needed(&map, "trust").and_then(|node| trust(reader, node));
    Some(Policy {
        environments: named(reader, map.get("environments"), environment).into_iter().collect(),
        plugins: match map.get("plugins") {
            Some(node) => plugins(reader, node),
            None => default_plugins(),
        },
        secrets: named(reader, map.get("secrets"), secret).into_iter().collect(),
        limits: map.get("limits").map(|node| limits(reader, node)).unwrap_or_default(),
        egress: map.get("egress").map(|node| egress(reader, node)).unwrap_or_default(),
        vars: map.get("vars").map(|node| vars(reader, node)).unwrap_or_default(),
        trust: trust?,
    })
}

fn trust(reader: &mut Reader, node: &Node) -> Option<TrustRules> {
    let map = reader.map(node, &node.place, &["fork", "member", "protected"])?;
    let mut read = |trust: Trust, otherwise: TrustRule| {
        let entry = map.entries().iter().find(|entry| entry.key == trust.as_str());
        entry.map_or(Some(otherwise), |entry| rule(reader, entry, trust))
    };
    let (fork, member) = (read(Trust::Fork, nothing()), read(Trust::Member, nothing()));
    let protected = read(Trust::Protected, everything());
    Some(TrustRules { fork: fork?, member: member?, protected: protected? })
}

fn rule(reader: &mut Reader, entry: &Entry, trust: Trust) -> Option<TrustRule> {
    let map = reader.map(&entry.value, &entry.at, &RULE_KEYS)?;
    let allow = reader.needed(&map, "allow").and_then(|node| allow(reader, node));
    let all = allow == Some(Allow::All);
    let rule = TrustRule {
        connections: match map.get("connections") {
            Some(node) => connections(reader, node),
            None if all => Connections::AsWritten,
            None => Connections::Map(BTreeMap::new()),
        },
        network: match map.get("network").and_then(|node| reader.word(node, &["none", "granted"])) {
            Some("none") => NetworkRule::None,
            Some(_) => NetworkRule::Granted,
            None if all => NetworkRule::Granted,
            None => NetworkRule::None,
        },
        secrets: match map.get("secrets") {
            Some(Node { value: Value::Text(text), .. }) if text == "*" => SecretsRule::All,
            Some(node) => {
                let names: Vec<SecretName> = reader.parsed(node, codes::BAD_NAME);
                SecretsRule::Only(names.into_iter().collect())
            }
            None if all => SecretsRule::All,
            None => SecretsRule::Only(BTreeSet::new()),
        },
        cache: match map.get("cache").and_then(|node| reader.word(node, &["none", "read", "write"])) {
            Some("none") => CacheRule::None,
            Some("read") => CacheRule::Read,
            Some(_) => CacheRule::Write,
            None if trust == Trust::Fork => CacheRule::Read,
            None => CacheRule::Write,
        },
        approval: map
            .get("approval")
            .and_then(|node| reader.word(node, &["member"]))
            .map(|_| ApprovalRule::Member),
        allow: allow?,
    };
    Some(rule)
}

fn allow(reader: &mut Reader, node: &Node) -> Option<Allow> {
    if matches!(&node.value, Value::Text(text) if text == "*") {
        return Some(Allow::All);
    }
    let items = reader.list(node)?;
    let words = items.iter().filter_map(|item| reader.word(item, Interface::WORDS)).filter_map(Interface::of);
    Some(Allow::Only(words.collect()))
}

fn connections(reader: &mut Reader, node: &Node) -> Connections {
    if matches!(&node.value, Value::Text(text) if text == "*") {
        return Connections::AsWritten;
    }
    let mut meant = BTreeMap::new();
    if let Some(map) = reader.any_map(node, &node.place) {
        for entry in map.entries() {
            if let Some(text) = reader.text(&entry.value) {
                meant.insert(entry.key.clone(), text.to_owned());
            }
        }
    }
    Connections::Map(meant)
}

/// The entries of a map with a reader for each.
fn named<K: std::str::FromStr<Err: std::fmt::Display>, V>(
    reader: &mut Reader,
    node: Option<&Node>,
    read: impl Fn(&mut Reader, &Entry) -> Option<V>,
) -> Vec<(K, V)> {
    let Some(map) = node.and_then(|node| reader.any_map(node, &node.place)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in map.entries() {
        let key = reader.parse::<K>(&entry.key, &entry.at, codes::BAD_NAME);
        let value = read(reader, entry);
        found.extend(key.zip(value));
    }
    found
}

fn environment(reader: &mut Reader, entry: &Entry) -> Option<EnvironmentRule> {
    let map = reader.map(&entry.value, &entry.at, &["refs", "approvers"])?;
    let refs = map.get("refs").map(|node| trigger::patterns(reader, node)).unwrap_or_default();
    let approvers = match map.get("approvers") {
        Some(node) => reader.texts(node).into_iter().map(|(text, _)| text.to_owned()).collect(),
        None => Vec::new(),
    };
    Some(EnvironmentRule { refs, approvers })
}

fn plugins(reader: &mut Reader, node: &Node) -> IndexMap<PluginPattern, PluginRule> {
    let Some(map) = reader.any_map(node, &node.place) else { return IndexMap::new() };
    let mut plugins = IndexMap::new();
    for entry in map.entries() {
        let body = entry.key.strip_suffix("/*").map(|namespace| format!("{namespace}/x"));
        let plain = entry.key == "*" || PluginName::new(body.unwrap_or_else(|| entry.key.clone())).is_ok();
        if !plain {
            let message = format!("`{}` names no plugins", cut(&entry.key));
            reader.error(codes::BAD_NAME, &entry.at, message, "write `NAMESPACE/NAME`, `NAMESPACE/*` or `*`");
        }
        let Some(map) = reader.map(&entry.value, &entry.at, &["grants"]) else { continue };
        let source = reader.needed(&map, "grants").and_then(|node| reader.word(node, &["default", "file"]));
        let grants = if source == Some("default") { GrantSource::Default } else { GrantSource::File };
        plugins.insert(PluginPattern(entry.key.clone()), PluginRule { grants });
    }
    plugins
}

fn secret(reader: &mut Reader, entry: &Entry) -> Option<SecretRule> {
    let map = reader.map(&entry.value, &entry.at, &["from", "to"])?;
    let from = reader.needed(&map, "from").and_then(|node| source(reader, node, "secret"));
    let to: Vec<Sink> = match reader.needed(&map, "to") {
        Some(node) => reader.parsed(node, codes::UNSAFE_PATTERN),
        None => Vec::new(),
    };
    Some(SecretRule { from: from?, to: to.into_iter().collect() })
}

/// Where a secret lies; `what` it is, for people.
pub(crate) fn source(reader: &mut Reader, node: &Node, what: &str) -> Option<SecretSource> {
    let text = reader.text(node)?;
    match text.split_once(':') {
        Some(("env", name)) if !name.is_empty() => Some(SecretSource::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Some(SecretSource::File(path.to_owned())),
        _ => {
            let message = format!("a {what} comes from `env:NAME` or `file:PATH`");
            let remedy = format!("write it like that; never the {what} itself");
            reader.error(codes::BAD_VALUE, &node.place, message, remedy);
            None
        }
    }
}

fn limits(reader: &mut Reader, node: &Node) -> PolicyLimits {
    let mut known: Vec<&str> = LIMIT_KEYS.iter().map(|(key, _)| *key).collect();
    known.push("parallel-stages");
    let Some(map) = reader.map(node, &node.place, &known) else { return PolicyLimits::default() };
    let parallel = map.get("parallel-stages").and_then(|node| reader.integer(node, 1, 10_000));
    PolicyLimits {
        parallel_stages: parallel.map(|number| number as u32),
        attempt: attempt_limits(reader, &map),
    }
}

fn attempt_limits(reader: &mut Reader, map: &Map<'_>) -> BTreeMap<String, u64> {
    let mut limits = BTreeMap::new();
    for (key, most) in LIMIT_KEYS {
        if let Some(value) = map.get(key).and_then(|node| reader.integer(node, 1, most)) {
            limits.insert(key.to_owned(), value);
        }
    }
    limits
}

/// What is opened although it is never allowed.
pub(crate) fn egress(reader: &mut Reader, node: &Node) -> Egress {
    let Some(map) = reader.map(node, &node.place, &["allow"]) else { return Egress::default() };
    let hosts: Vec<HostPattern> = match map.get("allow") {
        Some(node) => reader.parsed(node, codes::UNSAFE_PATTERN),
        None => Vec::new(),
    };
    Egress { allow: hosts.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = r#"
trust:
  fork:      { allow: [tasks, workspace, artifacts, source, images], connections: { build: scratch }, network: none, secrets: [], cache: read, approval: member }
  member:    { allow: [tasks, workspace, artifacts, source, images, http, secrets], connections: { build: build }, network: granted, secrets: [NPM] }
  protected: { allow: "*" }
environments:
  production: { refs: [main], approvers: [release-team] }
plugins:
  "stageway/*": { grants: default }
secrets:
  CHAT: { from: env:CHAT_URL, to: ["http:hooks.example.com"] }
  NPM:  { from: file:npm-token, to: ["task:node@sha256:00"] }
limits: { parallel-stages: 20, memory-bytes: 268435456 }
egress: { allow: ["127.0.0.1:9090"] }
vars: { prometheus: "http://127.0.0.1:9090" }
"#;

    #[test]
    fn the_published_example_is_read() {
        let policy = Policy::parse("policy.yaml", SAMPLE.as_bytes()).unwrap();
        assert_eq!(policy.vars["prometheus"], "http://127.0.0.1:9090");
        assert_eq!(policy.trust.fork.approval, Some(ApprovalRule::Member));
        assert_eq!(policy.trust.fork.connections.repository("build/a").as_deref(), Some("scratch/a"));
        assert_eq!(policy.trust.fork.connections.repository("production/a"), None);
        assert!(
            policy.trust.protected.allow.has(Interface::Cluster)
                && policy.trust.protected.secrets.has("CHAT")
        );
        assert!(policy.trust.member.secrets.has("NPM") && !policy.trust.member.secrets.has("CHAT"));
        assert_eq!(policy.limits.parallel_stages, Some(20));
        assert!(policy.plugins[0].grants == GrantSource::Default && policy.plugins.len() == 1);
    }

    #[test]
    fn every_problem_is_told() {
        let text = "trust:\n  fork: { alow: [], allow: [task], network: all }\n  guest: {}\nsecrets:\n  npm: { from: abc, to: [x] }\nplugins: { A: { grants: all } }\negres: {}\nlimits: { memory-bytes: 0 }\n";
        let found = Policy::parse("policy.yaml", text.as_bytes()).unwrap_err();
        let told: Vec<String> =
            found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
        let expected = [
            "2:SW0110", "2:SW0113", "2:SW0113", "3:SW0110", "5:SW0114", "5:SW0113", "5:SW0128", "6:SW0114",
            "6:SW0113", "7:SW0110", "8:SW0125",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_is_not_said_is_refused_to_strangers() {
        let policy = Policy::parse("policy.yaml", b"trust: { protected: { allow: \"*\" } }").unwrap();
        assert_eq!(policy.trust.fork.allow, Allow::Only(BTreeSet::new()));
        assert_eq!(policy.trust.member, policy.trust.fork);
    }
}
