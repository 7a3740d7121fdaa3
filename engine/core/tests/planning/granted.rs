//! What a stage may do: policy, trust, and what the file says.

use crate::world::{POLICY, fork, planned, push, told};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use stageway_core::event::Trust;
use stageway_core::grant::{Ceiling, Grants, ImageAction, Interface};
use stageway_core::policy::Policy;
use std::collections::BTreeMap;

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
