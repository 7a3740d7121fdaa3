//! Plugins, a policy and events, and plans made of them.

use serde_json::{Value as Json, json};
use stageway_core::definition::parse;
use stageway_core::diagnostic::Diagnostic;
use stageway_core::digest::Digest;
use stageway_core::event::{Event, Trust};
use stageway_core::limits::AttemptLimits;
use stageway_core::manifest::Manifest;
use stageway_core::name::StageName;
use stageway_core::plan::{Found, Planned, Planning, plan};
use stageway_core::plugin::PluginRef;
use stageway_core::policy::Policy;
use std::collections::BTreeMap;

pub(crate) const ORDERBOOK: &str = include_str!("../definition/valid/orderbook.yaml");

pub(crate) const POLICY: &str = r#"
trust:
  fork:      { allow: [tasks, workspace, artifacts, source, images], connections: { build: scratch }, network: none, secrets: [], cache: read, approval: member }
  member:    { allow: [tasks, workspace, artifacts, source, images, http, secrets], connections: { build: build }, network: granted, secrets: [NPM] }
  protected: { allow: "*" }
environments:
  production: { refs: [main] }
vars: { tenant: blue }
plugins:
  "stageway/*": { grants: default }
  "acme/*": { grants: file }
secrets:
  CHAT: { from: env:CHAT_URL, to: ["http:hooks.example.com"] }
  NPM:  { from: file:npm-token, to: ["task:toolbox", "http:registry.example.com"] }
"#;

pub(crate) fn found(manifest: Json, interfaces: &[&str]) -> Found {
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    let always = ["log", "types", "invocation"];
    let imports =
        interfaces.iter().chain(&always).map(|name| format!("stageway:host/{name}@0.1.0")).collect();
    Found { digest: Digest::of(manifest.name.as_str().as_bytes()), manifest, imports }
}

pub(crate) fn manifest(name: &str, configuration: Json, outputs: Json, grants: Json) -> Json {
    json!({
        "name": name, "version": "1.0.0", "summary": "For tests", "grants": grants,
        "configuration": { "type": "object", "properties": configuration, "additionalProperties": false },
        "outputs": { "type": "object", "properties": outputs, "additionalProperties": false },
    })
}

pub(crate) fn plugins() -> BTreeMap<PluginRef, Found> {
    let text = json!({ "type": "string" });
    let texts = json!({ "type": "array", "items": { "type": "string" } });
    let workspace = json!({ "interface": "workspace", "access": "read" });
    let tasks = json!({ "interface": "tasks", "images": [{ "from": "/image" }] });
    let all = [
        found(
            manifest(
                "stageway/unit-test",
                json!({ "command": texts, "junit": text, "image": text }),
                json!({ "tests": { "type": "integer" } }),
                json!({ "required": [workspace, tasks] }),
            ),
            &["workspace", "tasks"],
        ),
        found(
            manifest(
                "stageway/image-assemble",
                json!({ "repository": text, "files": {}, "entrypoint": texts, "env": {}, "ports": {}, "user": text }),
                json!({ "reference": text, "digest": text }),
                json!({ "required": [workspace, { "interface": "artifacts", "access": "write" },
                    { "interface": "images", "repositories": [{ "from": "/repository", "actions": ["read", "push"] }] }] }),
            ),
            &["workspace", "artifacts", "images"],
        ),
        found(
            manifest(
                "stageway/integration-test",
                json!({ "image": text, "ready": {}, "command": texts, "junit": text }),
                json!({}),
                json!({ "required": [workspace, tasks] }),
            ),
            &["workspace", "tasks"],
        ),
        found(
            manifest(
                "stageway/promote",
                json!({ "image": text, "to": text, "tags": texts, "moving-tag": text }),
                json!({ "reference": text }),
                json!({ "required": [{ "interface": "images", "repositories": [
                    { "from": "/image", "actions": ["read"] },
                    { "from": "/to", "actions": ["read", "push", "tag", "move"] },
                ] }] }),
            ),
            &["images"],
        ),
        found(
            manifest(
                "acme/notify",
                json!({ "url": text, "count": { "type": "integer" } }),
                json!({ "id": text }),
                json!({ "required": [{ "interface": "http", "hosts": [{ "from": "/url" }] }],
                    "optional": [{ "interface": "secrets" }] }),
            ),
            &["http", "secrets"],
        ),
    ];
    all.into_iter().map(|found| (format!("{}@1", found.manifest.name).parse().unwrap(), found)).collect()
}

pub(crate) fn planned(file: &str, event: &Event) -> Planned {
    let parsed = parse("stageway.yaml", file.as_bytes());
    assert_eq!(parsed.diagnostics, [], "the file itself is valid");
    let policy = Policy::parse("policy.yaml", POLICY.as_bytes()).unwrap();
    plan(&Planning {
        definition: parsed.valid().unwrap(),
        event,
        plugins: &plugins(),
        absent: &BTreeMap::new(),
        policy: &policy,
        parameters: &BTreeMap::new(),
        changed: None,
        limits: &AttemptLimits::default(),
    })
}

pub(crate) fn push() -> Event {
    Event::push("main", "abc", Trust::Protected)
}

pub(crate) fn fork() -> Event {
    Event::pull_request("evil", "main", "t", "abc", Trust::Fork)
}

pub(crate) fn told(diagnostics: &[Diagnostic]) -> Vec<String> {
    let line = |d: &Diagnostic| d.place.as_ref().map_or(0, |place| place.line);
    diagnostics
        .iter()
        .map(|d| format!("{}:{} {}: {} | {}", line(d), d.code, d.severity, d.message, d.remedy))
        .collect()
}

pub(crate) fn name(text: &str) -> StageName {
    StageName::new(text).unwrap()
}
