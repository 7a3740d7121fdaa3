//! A stage with a matrix: the stages of the plan that it becomes, and what the others see of it.

use crate::world::{name, planned, plugins, push, told};
use serde_json::{Value as Json, json};
use stageway_core::call::Failure;
use stageway_core::definition::parse;
use stageway_core::digest::Digest;
use stageway_core::grant::ImageAction;
use stageway_core::name::StageName;
use stageway_core::plan::{Plan, lint};
use stageway_core::run::{AttemptEnding, RunEvent, RunState, SkipReason, Usage};
use std::collections::BTreeMap;

const FILE: &str = r#"
pipeline: x
stages:
  image:
    uses: stageway/image-assemble@1
    matrix: { os: [linux, macos] }
    artifacts: { binary: out/x }
    with: { repository: "build/${{ matrix.os }}" }
  test:
    uses: stageway/unit-test@1
    needs: [image]
    matrix: { rust: ["1.95", stable], os: [linux, macos], exclude: [{ rust: stable, os: macos }] }
    when: matrix.os == "linux" || event.kind != "push"
    from: { bin: stages.image.artifacts.binary }
    with: { junit: "${{ stages.image.outputs[matrix.os].digest }}-${{ matrix.rust }}" }
  tell:
    uses: acme/notify@1
    needs: [test, image]
    grants: { http: ["hooks.example.com"] }
    with:
      count: "${{ stages.test.outputs[?\"1-95-linux\"].?tests.orValue(0) }}"
      url: "${{ stages.image.outputs.linux.reference }}: ${{ stages.test.status }}"
"#;

fn plan() -> Plan {
    let (plan, warnings) = planned(FILE, &push()).into_result().unwrap();
    assert_eq!(warnings, []);
    plan
}

fn names<'n>(names: impl IntoIterator<Item = &'n StageName>) -> Vec<&'n str> {
    names.into_iter().map(StageName::as_str).collect()
}

/// The state in which these stages have ended like this: `ok` and their outputs, `bad`, or `off` by their condition.
fn state(plan: &Plan, ended: &[(&str, &str, Json)]) -> RunState {
    let mut state = RunState::new(plan.stages.keys());
    for (stage, how, outputs) in ended {
        let (at, stage) = (1, name(stage));
        let failure = Failure { code: "a/b".into(), message: String::new(), details: None };
        let outputs = outputs.as_object().cloned().unwrap_or_default();
        let ending = match *how {
            "ok" => AttemptEnding::Succeeded { outputs, artifacts: BTreeMap::new() },
            _ => AttemptEnding::Failed(failure),
        };
        state.apply(&match *how {
            "off" => RunEvent::StageSkipped { at, stage, reason: SkipReason::Condition("false".into()) },
            _ => RunEvent::AttemptEnded { at, stage, attempt: 1, ending, usage: Usage::default() },
        });
    }
    state
}

#[test]
fn every_cell_is_a_stage_of_the_plan_and_the_plan_survives_json() {
    let plan = plan();
    let all =
        ["image-linux", "image-macos", "test-1-95-linux", "test-1-95-macos", "test-stable-linux", "tell"];
    assert_eq!(names(plan.stages.keys()), all);
    let written = serde_json::to_value(&plan).unwrap();
    assert_eq!(Digest::of_value(&written), plan.digest());
    let read: Plan = serde_json::from_value(written).unwrap();
    assert_eq!((&read, read.digest()), (&plan, plan.digest()));
    let test = &plan.stages["test-1-95-macos"];
    let cell = test.cell.as_ref().unwrap();
    assert_eq!((cell.of.as_str(), cell.key.as_str()), ("test", "1-95-macos"));
    assert_eq!(json!(cell.values), json!({ "os": "macos", "rust": "1.95" }));
    assert_eq!(names(&test.needs), ["image-linux", "image-macos"]);
    assert_eq!(names(&plan.stages["tell"].needs).len(), 5);
    assert_eq!(test.from["bin/linux"].stage, name("image-linux"));
    assert_eq!(names(plan.meant_by(&name("image"))), ["image-linux", "image-macos"]);
    assert_eq!(names(plan.meant_by(&name("image-linux"))), ["image-linux"]);
    assert!(plan.meant_by(&name("imag")).is_empty());
}

#[test]
fn values_of_a_cell_decide_its_condition_and_its_grants() {
    let plan = plan();
    assert_eq!(plan.stages["test-1-95-macos"].when.decided, Some(false));
    assert_eq!(plan.stages["test-1-95-linux"].when.decided, Some(true));
    let grants = &plan.stages["image-linux"].grants;
    grants.allows_image("build/linux", ImageAction::Push).unwrap();
    assert!(grants.allows_image("build/macos", ImageAction::Read).is_err());
}

#[test]
fn others_see_the_outputs_by_cell_and_one_status() {
    let plan = plan();
    let image = |os: &str| json!({ "reference": format!("r-{os}"), "digest": format!("d-{os}") });
    let built = [("image-linux", "ok", image("linux")), ("image-macos", "ok", image("macos"))];
    let now = state(&plan, &built);
    let test = name("test-stable-linux");
    let resolved = plan.resolve(&test, &plan.scope(&test, &now)).unwrap();
    assert_eq!(resolved.with, json!({ "junit": "d-linux-stable" }));
    let tell = name("tell");
    let table = [
        ("ok", "ok", "r-linux: succeeded", 7, None),
        ("ok", "off", "r-linux: succeeded", 7, None),
        ("bad", "ok", "r-linux: failed", 0, Some("test-1-95-linux")),
        ("off", "off", "r-linux: skipped", 0, Some("test-1-95-linux")),
    ];
    for (first, second, url, count, held_up) in table {
        let tests = json!({ "tests": 7 });
        let ended = [
            ("test-1-95-linux", first, tests.clone()),
            ("test-1-95-macos", "off", json!(null)),
            ("test-stable-linux", second, tests.clone()),
        ];
        let now = state(&plan, &[&built[..], &ended].concat());
        let resolved = plan.resolve(&tell, &plan.scope(&tell, &now)).unwrap();
        assert_eq!(resolved.with, json!({ "count": count, "url": url }), "{first} {second}");
        let by = plan.held_up_by(&plan.stages[&tell], &now);
        assert_eq!(by.map(StageName::as_str), held_up, "{first} {second}");
    }
    let now = state(&plan, &built);
    let upstream = plan.upstream(&test, &now);
    assert_eq!(json!(upstream), json!({ "image": { "linux": image("linux"), "macos": image("macos") } }));
    assert_eq!(plan.outputs(&now), upstream);
}

#[test]
fn the_map_is_checked_by_the_producers_schema_before_anything_runs() {
    let file = r#"
pipeline: x
stages:
  image: { uses: stageway/image-assemble@1, matrix: { os: [linux, macos] }, with: { user: "${{ matrix.os }}", repostory: a } }
  b: { uses: stageway/unit-test@1, needs: [image], with: { junit: "${{ stages.image.outputs.linux.digst }}" } }
  c: { uses: acme/notify@1, needs: [image], with: { count: "${{ stages.image.outputs[\"linux\"].digest }}" } }
  d: { uses: stageway/unit-test@1, needs: [image], with: { junit: "${{ stages.image.outputs }}" } }
  e: { uses: stageway/image-assemble@1, matrix: { n: [1] }, with: { user: "${{ matrix.n }}", files: "${{ matrix.n }}" } }
"#;
    let parsed = parse("stageway.yaml", file.as_bytes());
    let found = lint(parsed.valid().unwrap(), &plugins(), &BTreeMap::new(), None);
    let expected = [
        "4:SW0202 error: the plugin takes no `repostory` here | did you mean `repository`?",
        "5:SW0141 error: `linux` has no field `digst` | did you mean `digest`?",
        "6:SW0204 error: a whole number is expected here, but the expression gives string | use another output, or convert it",
        "7:SW0204 error: text is expected here, but the expression gives map(string, object) | use another output, or convert it",
        "8:SW0204 error: text is expected here, but the expression gives int | use another output, or convert it",
    ];
    assert_eq!(told(&found), expected);
}

#[test]
fn what_is_wrong_in_every_cell_is_told_once() {
    let file = "pipeline: x\nstages:\n  a: { uses: stageway/unit-test@1, matrix: { os: [a, b] }, with: { junit: 7 } }\n";
    let expected = ["3:SW0202 error: `junit` must be text, but this is a number | write text"];
    assert_eq!(told(&planned(file, &push()).diagnostics), expected);
}

#[test]
fn a_matrix_none_of_whose_cells_runs_skips_what_needs_it() {
    let file = r#"
pipeline: x
stages:
  a: { uses: acme/notify@1, matrix: { os: [linux, macos] }, when: event.kind == "tag" }
  b: { uses: acme/notify@1, needs: [a] }
  c: { uses: acme/notify@1, matrix: { on: [true, false] }, when: matrix.on, with: { url: "https://a.example.com" } }
"#;
    // Neither `a` nor `b` needs grants, and of `c` only the cell that runs.
    let found = planned(file, &push()).diagnostics;
    assert_eq!(found.iter().map(|d| d.place.as_ref().unwrap().line).collect::<Vec<_>>(), [6]);
}
