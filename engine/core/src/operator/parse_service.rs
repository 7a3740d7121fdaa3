//! Reading the service's part, and whether its names fit together.

use super::parse_connections::login;
use super::parse_tenants::{self, check_places, tenant};
use super::parse_tokens::{self, token};
use super::parse_traces::traces;
use super::service::{ForgeCredentials, ForgeEntry, MAX_SECRETS, Repository, Service, Webhook};
use crate::definition::DAY;
use crate::delivery::ForgeKind;
use crate::diagnostic::{codes, nearest};
use crate::document::{Entry, Map, Node, Reader, reader::cut};
use crate::name::{RepositoryId, TenantId, WebhookId};
use crate::policy::{SecretSource, source};
use crate::trigger::patterns;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

/// The keys of the service at the top of the file.
pub(super) const KEYS: [&str; 10] = [
    "listen",
    "pages",
    "parallel-runs",
    "sweep",
    "traces",
    "tenants",
    "forges",
    "repositories",
    "webhooks",
    "tokens",
];

pub(super) fn service(reader: &mut Reader, map: &Map<'_>) -> Service {
    let service = Service {
        listen: map.get("listen").and_then(|node| listen(reader, node)),
        pages: map.get("pages").and_then(|node| url(reader, node)),
        parallel_runs: number(reader, map, "parallel-runs"),
        sweep_ms: map.get("sweep").and_then(|node| reader.duration(node, 1_000, 7 * DAY)),
        traces: traces(reader, map),
        tenants: entries(reader, map, "tenants", tenant),
        forges: entries(reader, map, "forges", forge),
        repositories: entries(reader, map, "repositories", repository),
        webhooks: entries(reader, map, "webhooks", webhook),
        tokens: entries(reader, map, "tokens", token),
    };
    check(reader, map, &service);
    check_places(reader, map, &service);
    check_tokens(reader, map, &service);
    service
}

/// A map from names to what they mean.
fn entries<K: FromStr<Err: Display> + Ord, V>(
    reader: &mut Reader,
    map: &Map<'_>,
    key: &str,
    read: impl Fn(&mut Reader, &Entry, &Map<'_>) -> Option<V>,
) -> BTreeMap<K, V> {
    let known = keys_of(key);
    let mut found = BTreeMap::new();
    let Some(all) = map.get(key).and_then(|node| reader.any_map(node, &node.place)) else { return found };
    for entry in all.entries() {
        let name = reader.parse::<K>(&entry.key, &entry.at, codes::BAD_NAME);
        let value = reader.map(&entry.value, &entry.at, known).and_then(|map| read(reader, entry, &map));
        if let (Some(name), Some(value)) = (name, value) {
            found.insert(name, value);
        }
    }
    found
}

fn keys_of(section: &str) -> &'static [&'static str] {
    match section {
        "tenants" => parse_tenants::KEYS,
        "forges" => &["kind", "api", "token", "login"],
        "repositories" => &["tenant", "forge", "name", "clone", "login", "default-branch", "protected"],
        "tokens" => parse_tokens::KEYS,
        _ => &["repositories", "secrets", "enabled", "deliveries-a-minute"],
    }
}

pub(super) fn number(reader: &mut Reader, map: &Map<'_>, key: &str) -> Option<u64> {
    map.get(key).and_then(|node| reader.integer(node, 1, 1_000_000))
}

fn listen(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is no address to listen on", cut(text));
    reader.error(codes::BAD_VALUE, &node.place, message, "write it as in `127.0.0.1:8080` or `[::]:8080`");
    None
}

fn url(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?.trim_end_matches('/');
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_graphic())) {
        return Some(text.to_owned());
    }
    let message = format!("`{}` is no address of a server", cut(text));
    reader.error(codes::BAD_VALUE, &node.place, message, "write it as in `https://ci.example.com`");
    None
}

fn forge(reader: &mut Reader, entry: &Entry, map: &Map<'_>) -> Option<ForgeEntry> {
    let kind = reader.needed(map, "kind").and_then(|node| {
        let text = reader.text(node)?;
        reader.parse::<ForgeKind>(text, &node.place, codes::BAD_VALUE)
    });
    let api = map.get("api").and_then(|node| url(reader, node));
    let token = map.get("token").map(|node| source(reader, node, "token").map(ForgeCredentials::Token));
    let login = map.get("login").map(|node| login(reader, node).map(ForgeCredentials::Login));
    if token.is_some() && login.is_some() {
        let message = format!("forge `{}` has a `token` and a `login`", cut(&entry.key));
        reader.error(codes::CONFLICT, &entry.at, message, "write one of the two");
    }
    let kind = kind?;
    if api.is_none() && map.get("api").is_none() && !is_public(kind) {
        let message = format!("forge `{}` has no `api`, and there is no public {kind}", cut(&entry.key));
        let remedy = match kind {
            ForgeKind::Gitea => "write it as in `https://git.example.com/api/v1`",
            _ => "write it as in `https://git.example.com/rest/api/latest`",
        };
        reader.error(codes::MISSING_KEY, &entry.at, message, remedy);
    }
    let credentials = match token.or(login) {
        Some(given) => Some(given?),
        None => None,
    };
    Some(ForgeEntry { kind, api, credentials })
}

fn is_public(kind: ForgeKind) -> bool {
    matches!(kind, ForgeKind::GitHub | ForgeKind::GitLab | ForgeKind::BitbucketCloud)
}

fn repository(reader: &mut Reader, _: &Entry, map: &Map<'_>) -> Option<Repository> {
    let parsed = |reader: &mut Reader, node: &Node| {
        let text = reader.text(node)?;
        reader.parse::<TenantId>(text, &node.place, codes::BAD_NAME)
    };
    let tenant = match map.get("tenant") {
        Some(node) => parsed(reader, node),
        None => Some(TenantId::local()),
    };
    let forge = reader.needed(map, "forge").and_then(|node| reader.text(node)).map(str::to_owned);
    let name = reader.needed(map, "name").and_then(|node| {
        let text = reader.text(node)?;
        reader.parse(text, &node.place, codes::BAD_NAME)
    });
    let clone = reader.needed(map, "clone").and_then(|node| clone_address(reader, node));
    let login = map.get("login").map(|node| login(reader, node));
    let branch = map.get("default-branch").and_then(|node| reader.text(node)).unwrap_or("main");
    let protected: BTreeSet<String> =
        map.get("protected").map(|node| patterns(reader, node)).unwrap_or_default().into_iter().collect();
    let login = match login {
        Some(login) => Some(login?),
        None => None,
    };
    Some(Repository {
        tenant: tenant?,
        forge: forge?,
        name: name?,
        clone: clone?,
        login,
        default_branch: branch.to_owned(),
        protected,
    })
}

/// What `git fetch` takes; never an option, and never credentials in it.
fn clone_address(reader: &mut Reader, node: &Node) -> Option<String> {
    let text = reader.text(node)?;
    let known = ["https://", "http://", "ssh://", "/"].iter().any(|start| text.starts_with(start));
    let (before, _) =
        text.split_once("://").map_or(("", text), |(_, rest)| rest.split_once('/').unwrap_or((rest, "")));
    let secret = before.split_once('@').is_some_and(|(user, _)| user.contains(':'));
    if !known || text.len() > 2048 || text.chars().any(|c| c.is_control() || c == ' ') {
        let message = format!("`{}` is no address to clone from", cut(text));
        let remedy = "write `https://…`, `ssh://…`, or an absolute path of this machine";
        reader.error(codes::BAD_VALUE, &node.place, message, remedy);
        return None;
    }
    if secret {
        let message = "the address to clone from holds a password";
        reader.error(codes::BAD_VALUE, &node.place, message, "write `login: { user, password }` beside it");
        return None;
    }
    Some(text.to_owned())
}

fn webhook(reader: &mut Reader, entry: &Entry, map: &Map<'_>) -> Option<Webhook> {
    if entry.key == WebhookId::own().as_str() {
        let message =
            format!("no webhook can be called `{}`: we deliver to ourselves under that name", entry.key);
        reader.error(codes::BAD_NAME, &entry.at, message, "rename it");
    }
    let repositories: Vec<RepositoryId> = match reader.needed(map, "repositories") {
        Some(node) => reader.parsed(node, codes::BAD_NAME),
        None => Vec::new(),
    };
    let secrets = reader.needed(map, "secrets").map(|node| secrets(reader, node)).unwrap_or_default();
    if secrets.len() > MAX_SECRETS {
        let message = format!("webhook `{}` has {} secrets", cut(&entry.key), secrets.len());
        let remedy = format!("at most {MAX_SECRETS} are valid at once: remove the oldest");
        reader.error(codes::OUT_OF_RANGE, &entry.at, message, remedy);
    }
    Some(Webhook {
        repositories: repositories.into_iter().collect(),
        secrets,
        enabled: map.get("enabled").and_then(|node| reader.boolean(node)).unwrap_or(true),
        deliveries_a_minute: number(reader, map, "deliveries-a-minute"),
    })
}

fn secrets(reader: &mut Reader, node: &Node) -> Vec<SecretSource> {
    match &node.value {
        crate::document::Value::Text(_) => source(reader, node, "secret").into_iter().collect(),
        _ => {
            let items = reader.list(node).unwrap_or_default();
            items.iter().filter_map(|item| source(reader, item, "secret")).collect()
        }
    }
}

/// Whether every name that is used is there.
fn check(reader: &mut Reader, map: &Map<'_>, service: &Service) {
    for (id, repository) in &service.repositories {
        if !service.forges.contains_key(&repository.forge) {
            let forges = service.forges.keys().map(String::as_str);
            let near = nearest(&repository.forge, forges);
            unknown(reader, (map, "repositories", id.as_str()), "forge", &repository.forge, near);
        }
    }
    for (id, webhook) in &service.webhooks {
        let at = (map, "webhooks", id.as_str());
        for name in &webhook.repositories {
            if !service.repositories.contains_key(name) && !written(map, "repositories", name.as_str()) {
                let near = nearest(name.as_str(), service.repositories.keys().map(RepositoryId::as_str));
                unknown(reader, at, "repository", name.as_str(), near);
            }
        }
        let known: Vec<_> =
            webhook.repositories.iter().filter_map(|name| service.repositories.get(name)).collect();
        let owners: BTreeSet<_> = known.iter().map(|one| (&one.tenant, &one.forge)).collect();
        let names: BTreeSet<_> = known.iter().map(|one| &one.name).collect();
        if owners.len() > 1 {
            let message = format!("webhook `{id}` has repositories of several tenants or forges");
            mixed(reader, at, message, "give each of them a webhook of its own");
        } else if names.len() < known.len() {
            let message = format!("webhook `{id}` has two repositories with the same name at their forge");
            mixed(reader, at, message, "a delivery could not tell them apart: remove one of the two");
        }
    }
}

/// Whether every token is of a tenant that is there, and no two are the same.
fn check_tokens(reader: &mut Reader, map: &Map<'_>, service: &Service) {
    let tenants = service.tenant_names();
    let mut seen = BTreeMap::new();
    for (name, token) in &service.tokens {
        let at = (map, "tokens", name.as_str());
        if !tenants.contains(&token.tenant) && !written(map, "tenants", token.tenant.as_str()) {
            let near = nearest(token.tenant.as_str(), tenants.iter().map(TenantId::as_str));
            unknown(reader, at, "tenant", token.tenant.as_str(), near);
        }
        if let (Some(earlier), Some(entry)) = (seen.insert(token.hash, name), entry(at)) {
            let message = format!("tokens `{earlier}` and `{name}` are the same");
            reader.error(codes::CONFLICT, &entry.at, message, "give each of them a token of its own");
        }
    }
}

pub(super) type At<'a, 'n> = (&'a Map<'n>, &'a str, &'a str);

pub(super) fn entry<'n>((map, section, name): At<'_, 'n>) -> Option<&'n Entry> {
    let crate::document::Value::Map(entries) = &map.get(section)?.value else { return None };
    entries.iter().find(|entry| entry.key == name)
}

/// Whether a section has an entry of this name, understood or not.
fn written(map: &Map<'_>, section: &str, name: &str) -> bool {
    entry((map, section, name)).is_some()
}

fn unknown(reader: &mut Reader, at: At<'_, '_>, kind: &str, name: &str, near: Option<&str>) {
    if kind == "forge" && written(at.0, "forges", name) {
        return;
    }
    let remedy = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("describe the {kind} in this file"),
    };
    mixed(reader, at, format!("no {kind} has the name `{}`", cut(name)), &remedy);
}

fn mixed(reader: &mut Reader, at: At<'_, '_>, message: String, remedy: &str) {
    if let Some(entry) = entry(at) {
        reader.error(codes::BAD_VALUE, &entry.at, message, remedy);
    }
}

#[cfg(test)]
mod tests {
    use crate::operator::{ForgeCredentials, Operator};
    use crate::policy::SecretSource;

    const SAMPLE: &str = "
listen: 127.0.0.1:8080
pages: https://ci.example.com/
parallel-runs: 40
sweep: 30m
tenants:
  acme: { policy: acme.yaml, parallel-runs: 10, deliveries-a-minute: 600 }
forges:
  git: { kind: forgejo, api: https://git.example.com/api/v1, token: env:FORGE_TOKEN }
  hub: { kind: github }
repositories:
  demo:
    tenant: acme
    forge: git
    name: acme/demo
    clone: https://git.example.com/acme/demo.git
    login: { user: ci, password: file:clone-password }
    default-branch: trunk
    protected: [trunk, \"release/*\"]
  mine: { forge: hub, name: me/mine, clone: /srv/git/mine.git }
webhooks:
  demo-push: { repositories: [demo], secrets: [env:NEW, env:OLD] }
  mine-push: { repositories: mine, secrets: env:MINE, enabled: false }
";

    #[test]
    fn a_whole_service_is_read() {
        let service = Operator::parse("config.yaml", SAMPLE.as_bytes()).unwrap().service;
        assert_eq!(service.pages.as_deref(), Some("https://ci.example.com"));
        assert_eq!(service.sweep_ms, Some(1_800_000));
        let token = SecretSource::Env("FORGE_TOKEN".into());
        assert_eq!(service.forges["git"].credentials, Some(ForgeCredentials::Token(token)));
        let demo = &service.repositories["demo"];
        assert!(demo.protects("trunk") && demo.protects("release/1") && !demo.protects("feature"));
        let mine = &service.repositories["mine"];
        assert!(!mine.protects("main"), "without patterns no ref is protected");
        assert_eq!((mine.tenant.as_str(), mine.default_branch.as_str()), ("local", "main"));
        let webhook = &service.webhooks["demo-push"];
        assert_eq!((webhook.secrets.len(), webhook.enabled), (2, true));
        assert_eq!(service.tenant_of(webhook).map(|tenant| tenant.as_str()), Some("acme"));
        assert!(!service.webhooks["mine-push"].enabled);
        assert_eq!(service.tenant_names().len(), 2);
    }

    #[test]
    fn every_problem_is_told_with_its_place() {
        let text = "listen: here
pages: ci
forges:
  git: { kind: git }
  own: { kind: gitea }
  two: { kind: github, token: env:A, login: { user: a, password: env:B } }
repositories:
  Demo: { forge: two, name: acme/demo, clone: https://x/y }
  a: { forge: tow, name: demo, clone: \"--upload-pack=x\", colour: red }
  b: { forge: two, name: a/b, clone: https://me:hunter2@x/y }
  c: { forge: two, name: a/c, clone: https://x/c }
  d: { tenant: other, forge: two, name: a/d, clone: https://x/d }
webhooks:
  x: { repositories: [c, e], secrets: [plain] }
  y: { repositories: [c, d], secrets: [env:A, env:B, env:C] }
";
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let told: Vec<String> =
            found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
        let expected = [
            "1:SW0113",
            "2:SW0113",
            "4:SW0113",
            "5:SW0111",
            "6:SW0126",
            "8:SW0114",
            "9:SW0114",
            "9:SW0113",
            "9:SW0110",
            "10:SW0113",
            "14:SW0113",
            "14:SW0113",
            "15:SW0113",
            "15:SW0125",
        ];
        assert_eq!(told, expected, "{found:#?}");
        assert!(!found.iter().any(|d| d.message.contains("hunter2")), "a password is never repeated");
    }
}
