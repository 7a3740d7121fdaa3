//! The example, from its file to resolved stages.

use crate::world::{ORDERBOOK, fork, name, planned, push};
use serde_json::json;
use stageway_core::expression::{Scope, StageOutcome};
use stageway_core::grant::{Grants, ImageAction};
use stageway_core::name::StageName;
use stageway_core::plan::Plan;
use std::collections::BTreeMap;

fn orderbook() -> Plan {
    let (plan, warnings) = planned(ORDERBOOK, &push()).into_result().unwrap();
    assert_eq!(warnings, []);
    plan
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
