//! What is decided before anything runs.

use crate::world::{fork, planned, plugins, push, told};
use stageway_core::definition::parse;
use stageway_core::limits::AttemptLimits;
use stageway_core::plan::{Planning, plan};
use stageway_core::policy::Policy;
use std::collections::BTreeMap;

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
fn whether_somebody_is_asked_is_decided_with_the_plan() {
    let file = |when: &str| {
        format!(
            "pipeline: x\nvars: {{ careful: true }}\nstages:\n  a: {{ uses: stageway/unit-test@1, approval: {{ when: {when}, question: go? }} }}\n"
        )
    };
    let asked = |when: &str| planned(&file(when), &push()).plan.unwrap().stages["a"].approval.is_some();
    assert!(asked("vars.careful") && asked("event.kind == 'push'"));
    assert!(!asked("\"!vars.careful\"") && !asked("event.kind == 'tag'"));
    let lacking = planned(&file("event.tag == 'v1'"), &push());
    assert!(lacking.plan.is_none());
    assert!(
        told(&lacking.diagnostics)[0].contains("there is no `tag` here"),
        "{:?}",
        told(&lacking.diagnostics)
    );
}
