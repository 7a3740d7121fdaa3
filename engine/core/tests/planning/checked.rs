//! What is wrong before anything runs: schemas, outputs, constants, plugins.

use crate::world::{planned, plugins, push, told};
use stageway_core::definition::parse;
use stageway_core::plan::{Absent, lint};
use std::collections::BTreeMap;

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
