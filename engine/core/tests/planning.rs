//! From a file, an event, plugins and a policy to a plan: grants, trust, schemas, outputs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its fixtures and fails by panicking"
)]

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use stageway_core::definition::parse;
use stageway_core::diagnostic::Diagnostic;
use stageway_core::digest::Digest;
use stageway_core::event::{Event, Trust};
use stageway_core::expression::{Scope, StageOutcome};
use stageway_core::grant::{Ceiling, Grants, ImageAction, Interface};
use stageway_core::limits::AttemptLimits;
use stageway_core::manifest::Manifest;
use stageway_core::name::StageName;
use stageway_core::plan::{Absent, Found, Plan, Planned, Planning, lint, plan};
use stageway_core::plugin::PluginRef;
use stageway_core::policy::Policy;
use std::collections::BTreeMap;

const ORDERBOOK: &str = include_str!("definition/valid/orderbook.yaml");

const POLICY: &str = r#"
trust:
  fork:      { allow: [tasks, workspace, artifacts, source, images], connections: { build: scratch }, network: none, secrets: [], cache: read, approval: member }
  member:    { allow: [tasks, workspace, artifacts, source, images, http, secrets], connections: { build: build }, network: granted, secrets: [NPM] }
  protected: { allow: "*" }
environments:
  production: { refs: [main] }
plugins:
  "stageway/*": { grants: default }
  "acme/*": { grants: file }
secrets:
  CHAT: { from: env:CHAT_URL, to: ["http:hooks.example.com"] }
  NPM:  { from: file:npm-token, to: ["task:toolbox", "http:registry.example.com"] }
"#;

fn found(manifest: Json, interfaces: &[&str]) -> Found {
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    let always = ["log", "types", "invocation"];
    let imports =
        interfaces.iter().chain(&always).map(|name| format!("stageway:host/{name}@0.1.0")).collect();
    Found { digest: Digest::of(manifest.name.as_str().as_bytes()), manifest, imports }
}

fn manifest(name: &str, configuration: Json, outputs: Json, grants: Json) -> Json {
    json!({
        "name": name, "version": "1.0.0", "summary": "For tests", "grants": grants,
        "configuration": { "type": "object", "properties": configuration, "additionalProperties": false },
        "outputs": { "type": "object", "properties": outputs, "additionalProperties": false },
    })
}

fn plugins() -> BTreeMap<PluginRef, Found> {
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

fn planned(file: &str, event: &Event) -> Planned {
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
        vars: &BTreeMap::from([("tenant".to_owned(), json!("blue"))]),
        changed: None,
        limits: &AttemptLimits::default(),
    })
}

fn push() -> Event {
    Event::push("main", "abc", Trust::Protected)
}

fn fork() -> Event {
    Event::pull_request("evil", "main", "t", "abc", Trust::Fork)
}

fn told(diagnostics: &[Diagnostic]) -> Vec<String> {
    let line = |d: &Diagnostic| d.place.as_ref().map_or(0, |place| place.line);
    diagnostics
        .iter()
        .map(|d| format!("{}:{} {}: {} | {}", line(d), d.code, d.severity, d.message, d.remedy))
        .collect()
}

fn orderbook() -> Plan {
    let (plan, warnings) = planned(ORDERBOOK, &push()).into_result().unwrap();
    assert_eq!(warnings, []);
    plan
}

fn name(text: &str) -> StageName {
    StageName::new(text).unwrap()
}

fn scope(plan: &Plan) -> Scope {
    let outputs = json!({ "reference": "build/orderbook@sha256:00", "digest": "sha256:00" });
    let done = StageOutcome { status: "succeeded".into(), outputs: outputs.as_object().unwrap().clone() };
    Scope::new(&plan.event, &plan.vars, &plan.parameters)
        .with_stages(&BTreeMap::from([(name("image"), done)]))
}

#[test]
fn the_example_is_planned_complete_and_the_plan_survives_json() {
    let plan = orderbook();
    let order: Vec<&str> = plan.stages.keys().map(StageName::as_str).collect();
    assert_eq!(order, ["unit-test", "image", "integration-test", "promote"]);
    let read: Plan = serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
    assert_eq!((&read, read.digest()), (&plan, plan.digest()));
    assert_eq!(plan.concurrency.as_ref().unwrap().group, "refs/heads/main");
    let image = &plan.stages["image"];
    image.grants.allows_image("build/orderbook", ImageAction::Push).unwrap();
    assert!(image.grants.allows_image("build/other", ImageAction::Read).is_err());
    assert_eq!(image.inputs.as_deref(), Some(&[][..]));
    assert_eq!(plan.stages["promote"].when.decided, Some(true));
}

#[test]
fn what_upstream_answers_is_filled_checked_and_granted_late() {
    let plan = orderbook();
    let promote = plan.resolve(&name("promote"), &scope(&plan)).unwrap();
    assert_eq!(promote.with["image"], "build/orderbook@sha256:00");
    assert_eq!(promote.with["tags"], json!(["prod-abc"]));
    promote.grants.allows_image("build/orderbook", ImageAction::Read).unwrap();
    assert!(promote.grants.allows_image("build/orderbook", ImageAction::Push).is_err());
    promote.grants.allows_image("production/orderbook", ImageAction::Move).unwrap();
    let test = plan.resolve(&name("integration-test"), &scope(&plan)).unwrap();
    test.grants.allows_task(Some("build/orderbook@sha256:00")).unwrap();
    assert!(plan.stages["integration-test"].grants.allows_task(Some("build/orderbook@sha256:00")).is_err());
}

#[test]
fn a_fork_runs_what_it_may_and_its_images_go_to_scratch() {
    let (plan, _) = planned(ORDERBOOK, &fork()).into_result().unwrap();
    assert_eq!(plan.stages["promote"].when.decided, Some(false));
    assert_eq!(plan.stages["promote"].grants, Grants::default());
    assert_eq!(plan.connections.repository("build/orderbook").as_deref(), Some("scratch/orderbook"));
    assert!(plan.approval.is_some());
}

#[test]
fn a_forks_file_that_grants_itself_everything_gets_what_the_policy_gives_forks() {
    let file = r#"
pipeline: x
stages:
  test:
    uses: stageway/unit-test@1
    with: { command: [make] }
    grants:
      workspace: write
      artifacts: write
      source: read
      http: ["evil.example.com:443"]
      images: { "production/*": [read, push, tag, move], "build/*": [push] }
      tasks: { images: ["production/secret", "docker.io/library/evil"], network: true }
      secrets: [CHAT, NPM]
      environments: [production]
      approvals: true
      cluster: { blue: { namespaces: [shop], kinds: [Secret], actions: [delete] } }
"#;
    let (plan, refused) = planned(file, &fork()).into_result().unwrap();
    let grants = &plan.stages["test"].grants;
    // A task may log in to what the policy leaves of the images.
    assert_eq!(grants.interfaces(), [Interface::Workspace, Interface::Tasks, Interface::Images].into());
    assert!(grants.allows_image("build/x", ImageAction::Push).is_ok());
    assert!(grants.allows_image("production/x", ImageAction::Read).is_err());
    assert!(
        grants.allows_task(Some("production/secret:1")).is_err() && grants.allows_task_network().is_err()
    );
    let told = told(&refused);
    let expected = [
        "9:SW0311 warning: the plugin imports no `artifacts`, so this has no effect | remove the line",
        "10:SW0311 warning: the plugin imports no `source`, so this has no effect | remove the line",
        "11:SW0311 warning: the plugin imports no `http`, so this has no effect | remove the line",
        "12:SW0305 warning: the connection `production` is not open at fork trust | use a connection that the policy names for this trust, or guard the stage with `when`",
        "13:SW0305 warning: the connection `production` is not open at fork trust | use a connection that the policy names for this trust, or guard the stage with `when`",
        "13:SW0310 warning: the policy gives tasks no network at fork trust | remove `network`, or let a person of higher trust start the run",
        "14:SW0311 warning: the plugin imports no `secrets`, so this has no effect | remove the line",
        "15:SW0311 warning: the plugin imports no `environments`, so this has no effect | remove the line",
        "16:SW0311 warning: the plugin imports no `approvals`, so this has no effect | remove the line",
        "17:SW0311 warning: the plugin imports no `cluster`, so this has no effect | remove the line",
    ];
    assert_eq!(told, expected);
}

#[test]
fn every_missing_grant_is_told_at_once_with_its_line() {
    let file = r#"
pipeline: x
stages:
  a: { uses: acme/notify@1, with: { url: "https://hooks.example.com/x" } }
  b: { uses: acme/notify@1, grants: { http: ["hooks.example.com"] } }
  c: { uses: acme/notify@1, secrets: { TOKEN: NOBODY } }
"#;
    let missing = planned(file, &push()).into_result().unwrap_err();
    let expected = [
        "4:SW0301 error: the plugin needs `http`, which nothing grants | add to the stage: `grants: { http: [\"hooks.example.com:443\"] }`",
        "6:SW0301 error: the plugin needs `http`, which nothing grants | add to the stage: `grants: { http: [\"HOST:443\"] }`",
        "6:SW0307 error: the policy knows no secret `NOBODY` | use a name that the policy has, or add it there",
    ];
    assert_eq!(told(&missing), expected);
}

#[test]
fn a_fork_gets_no_http_and_no_secret_and_is_told_so() {
    let file = r#"
pipeline: x
stages:
  a: { uses: acme/notify@1, grants: { http: ["evil.example.com"] } }
  b: { uses: stageway/unit-test@1, secrets: { TOKEN: NPM } }
  c: { uses: stageway/image-assemble@1, with: { repository: production/x } }
  d: { uses: stageway/unit-test@1, environment: production }
"#;
    let codes: Vec<String> = planned(file, &fork())
        .diagnostics
        .iter()
        .map(|d| format!("{}:{} {}", d.place.as_ref().unwrap().line, d.code, d.severity))
        .collect();
    let expected =
        ["4:SW0302 error", "4:SW0302 warning", "5:SW0302 error", "6:SW0305 error", "7:SW0208 error"];
    assert_eq!(codes, expected);
}

#[test]
fn secrets_flow_into_tasks_by_the_sinks_of_the_policy() {
    let file = "pipeline: x\nstages:\n  a: { uses: stageway/unit-test@1, secrets: { TOKEN: NPM } }\n";
    let (plan, _) = planned(file, &push()).into_result().unwrap();
    let grants = &plan.stages["a"].grants;
    grants.allows_secret_in_task("NPM", None).unwrap();
    assert!(grants.allows_secret_in_request("NPM", "registry.example.com", 443).is_err());
}

#[test]
fn configurations_and_outputs_are_checked_against_the_schemas_at_once() {
    let file = r#"
pipeline: x
stages:
  image: { uses: stageway/image-assemble@1, with: { repostory: build/x, ports: "${{ vars.tenant }}" } }
  a:
    uses: acme/notify@1
    needs: [image]
    grants: { http: ["hooks.example.com"] }
    with:
      count: "${{ stages.image.outputs.reference }}"
      url: 7
  b:
    uses: stageway/unit-test@1
    needs: [image]
    with: { command: [1, "${{ vars.tenant }}"], junit: "x-${{ stages.image.outputs.digest }}" }
"#;
    let found = planned(file, &push()).diagnostics;
    let expected = [
        "4:SW0202 error: the plugin takes no `repostory` here | did you mean `repository`?",
        "10:SW0204 error: a whole number is expected here, but the expression gives string | use another output, or convert it",
        "11:SW0202 error: `url` must be text, but this is a number | write text",
        "15:SW0202 error: `0` must be text, but this is a number | write text",
    ];
    assert_eq!(told(&found), expected);
}

#[test]
fn lint_needs_no_event_and_no_policy() {
    let file = r#"
pipeline: x
stages:
  image: { uses: stageway/image-assemble@1, with: { repostory: build/x, user: "${{ vars.someones }}" } }
  a: { uses: acme/notify@1, needs: [image], with: { count: "${{ stages.image.outputs.digest }}", url: "${{ stages.image.outputs.digst }}" } }
  b: { uses: nobody/nothing@1 }
"#;
    let parsed = parse("stageway.yaml", file.as_bytes());
    let found = lint(parsed.valid().unwrap(), &plugins(), &BTreeMap::new(), None);
    let codes: Vec<String> =
        found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
    assert_eq!(codes, ["4:SW0202", "5:SW0204", "5:SW0203", "6:SW0201"]);
    let vars = BTreeMap::new();
    assert_eq!(lint(parsed.valid().unwrap(), &plugins(), &BTreeMap::new(), Some(&vars)).len(), 5);
}

#[test]
fn a_plugin_that_is_nowhere_is_told_with_what_is_there() {
    let file = "pipeline: x\nstages:\n  a: { uses: nobody/nothing@1 }\n";
    let parsed = parse("stageway.yaml", file.as_bytes());
    let lint = |absent: Absent| {
        let absent = BTreeMap::from([("nobody/nothing@1".parse().unwrap(), absent)]);
        told(&lint(parsed.valid().unwrap(), &plugins(), &absent, None))
    };
    let looked_in = vec!["/one".to_owned(), "/two".to_owned()];
    let none = lint(Absent { looked_in: looked_in.clone(), nearest: vec![] });
    assert!(none[0].contains("`nobody/nothing@1` in /one, /two | mend the name"), "{none:?}");
    let nearest = vec!["nobody/nothing@2.1.0".to_owned(), "nobody/nothing@2.0.0".to_owned()];
    let some = lint(Absent { looked_in, nearest });
    assert!(some[0].contains("| use `nobody/nothing@2.1.0`, which is there, or put"), "{some:?}");
}

#[test]
fn unknown_outputs_variables_and_plugins_are_told() {
    let file = r#"
pipeline: x
stages:
  image: { uses: stageway/image-assemble@1, with: { repository: build/x } }
  a: { uses: stageway/unit-test@1, needs: [image], with: { junit: "${{ stages.image.outputs.refrence }}" } }
  b: { uses: stageway/unit-test@1, with: { junit: "${{ vars.nowhere }}" } }
"#;
    let expected = [
        "5:SW0203 error: the stage `image` has no output `refrence` | did you mean `reference`?",
        "6:SW0141 error: `vars` has no field `nowhere` | `vars` has `tenant`",
    ];
    assert_eq!(told(&planned(file, &push()).diagnostics), expected);
    let missing = "pipeline: x\nstages:\n  a: { uses: stageway/unit-tests@1 }\n";
    assert_eq!(planned(missing, &push()).diagnostics[0].code.to_string(), "SW0201");
    let stranger = "pipeline: x\nstages:\n  a: { uses: ./x.wasm }\n";
    assert_eq!(planned(stranger, &push()).diagnostics[0].code.to_string(), "SW0201");
}

#[test]
fn what_this_event_lacks_fails_only_when_it_is_evaluated() {
    let guarded = "pipeline: x\nstages:\n  a: { uses: stageway/unit-test@1, when: event.kind == \"push\" && event.branch == \"main\" }\n";
    assert!(planned(guarded, &fork()).plan.is_some());
    let bare = "pipeline: x\nstages:\n  a: { uses: stageway/unit-test@1, when: event.branch == \"main\" }\n";
    let expected = [
        "3:SW0152 error: there is no `branch` here | ask first whether the value is there, as in `event.kind == \"push\" && …`",
    ];
    assert_eq!(told(&planned(bare, &fork()).diagnostics), expected);
    assert!(planned(bare, &push()).plan.is_some());
}

#[test]
fn stages_that_do_not_run_need_no_grants_and_neither_do_those_they_skip() {
    let file = r#"
pipeline: x
stages:
  a: { uses: acme/notify@1, when: event.kind == "tag" }
  b: { uses: acme/notify@1, needs: [a] }
  c: { uses: acme/notify@1, needs: [a], when: always() }
"#;
    let found = planned(file, &push()).diagnostics;
    assert_eq!(found.iter().map(|d| d.place.as_ref().unwrap().line).collect::<Vec<_>>(), [6]);
}

#[test]
fn changed_paths_decide_before_anything_runs() {
    let file = "pipeline: x\nstages:\n  a: { uses: stageway/unit-test@1, paths: [\"src/**\"] }\n";
    let parsed = parse("stageway.yaml", file.as_bytes());
    let decided = |changed: Option<&[String]>| {
        let planning = Planning {
            definition: parsed.valid().unwrap(),
            event: &push(),
            plugins: &plugins(),
            absent: &BTreeMap::new(),
            policy: &Policy::single_machine(),
            parameters: &BTreeMap::new(),
            vars: &BTreeMap::new(),
            changed,
            limits: &AttemptLimits::default(),
        };
        plan(&planning).plan.unwrap().stages["a"].when.decided
    };
    assert_eq!(decided(Some(&["README.md".to_owned()])), Some(false));
    assert_eq!(decided(Some(&["src/a".to_owned()])), None);
    assert_eq!(decided(None), None);
}

#[test]
fn a_late_reference_outside_of_the_open_connections_is_refused() {
    let file = r#"
pipeline: x
stages:
  image: { uses: stageway/image-assemble@1, with: { repository: build/x } }
  t: { uses: stageway/integration-test@1, needs: [image], with: { image: "${{ stages.image.outputs.reference }}" } }
"#;
    let (plan, _) = planned(file, &fork()).into_result().unwrap();
    let outputs = json!({ "reference": "production/secret@sha256:00" });
    let done = StageOutcome { status: "succeeded".into(), outputs: outputs.as_object().unwrap().clone() };
    let scope = Scope::new(&plan.event, &plan.vars, &plan.parameters)
        .with_stages(&BTreeMap::from([(name("image"), done)]));
    let found = plan.resolve(&name("t"), &scope).unwrap_err();
    assert_eq!(found.iter().map(|d| d.code.to_string()).collect::<Vec<_>>(), ["SW0305"]);
}

/// Grants out of a small world, so that they meet each other.
fn grants() -> impl Strategy<Value = Grants> {
    let access = proptest::option::of(proptest::sample::select(vec!["read", "write"]));
    let repositories = proptest::collection::btree_map(
        proptest::sample::select(vec!["build/x", "build/*", "production/x", "scratch/x"]),
        proptest::sample::subsequence(vec!["read", "push", "tag", "move"], 0..4),
        0..4,
    );
    let images = proptest::sample::subsequence(vec!["build/x", "production/*", "docker.io/a", "node"], 0..4);
    let hosts = proptest::sample::subsequence(vec!["a.example:443", "*.example.com:443"], 0..2);
    let secrets = proptest::sample::subsequence(vec!["CHAT", "NPM", "OTHER"], 0..3);
    let switches = proptest::collection::vec(any::<bool>(), 7);
    (access.clone(), access, repositories, images, hosts, secrets, switches).prop_map(
        |(workspace, artifacts, repositories, images, hosts, secrets, on)| {
            let mut grants = json!({ "approvals": on[0] });
            let mut set = |key: &str, on: bool, value: Json| {
                if on {
                    grants[key] = value;
                }
            };
            set("workspace", workspace.is_some(), json!(workspace));
            set("artifacts", artifacts.is_some(), json!(artifacts));
            set("images", on[1], json!(repositories));
            set("tasks", on[2], json!({ "images": images, "network": on[3] }));
            set("http", on[4], json!(hosts));
            let secrets: BTreeMap<_, _> = secrets.into_iter().map(|name| (name, json!([]))).collect();
            set("secrets", on[5], json!(secrets));
            set("environments", on[6], json!(["production"]));
            serde_json::from_value(grants).unwrap()
        },
    )
}

/// The same without the sinks of secrets, which only the policy has.
fn without_sinks(mut grants: Grants) -> Grants {
    for sinks in grants.secrets.iter_mut().flat_map(|secrets| secrets.names.values_mut()) {
        sinks.clear();
    }
    grants
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn narrowing_never_widens(grants in grants(), trust in proptest::sample::select(Trust::ALL.to_vec())) {
        let policy = Policy::parse("policy.yaml", POLICY.as_bytes()).unwrap();
        let ceiling = Ceiling::of(&policy, trust);
        let (narrowed, refused) = ceiling.narrow(grants.clone());
        prop_assert!(grants.covers(&without_sinks(narrowed.clone())), "{narrowed:?}");
        prop_assert!(narrowed.interfaces().iter().all(|interface| policy.at(trust).allow.has(*interface)));
        let changed = without_sinks(narrowed.clone()) != grants;
        prop_assert_eq!(changed, !refused.is_empty());
        let (again, nothing) = ceiling.narrow(narrowed.clone());
        prop_assert_eq!((again, nothing), (narrowed.clone(), vec![]));
        let (lower, _) = Ceiling::of(&policy, Trust::Protected).narrow(grants);
        prop_assert!(without_sinks(lower).covers(&without_sinks(narrowed)));
    }

    #[test]
    fn adding_covers_both(a in grants(), b in grants()) {
        let mut both = a.clone();
        both.add(b.clone());
        prop_assert!(both.covers(&a) && both.covers(&b) && both.covers(&both));
    }
}
