//! A plugin that was built outside the project from the WIT files alone, in a language without an SDK, runs unchanged.

use serde_json::Value as Json;
use stageway_tests::{Installation, from_wit, tree};
use std::fs;

const PIPELINE: &str = "pipeline: foreign
on: { push: { branches: [main] } }
stages:
  look:
    uses: ./c.wasm
  again:
    uses: guests/c@1
    needs: [look]
    with: { fail: true }
";

#[test]
fn a_plugin_in_c_from_the_wit_files_alone_runs_in_a_pipeline() {
    let built = from_wit();
    let plugin = built.path().join("c.wasm");
    let tree = tree(&[("stageway.yaml", PIPELINE)]);
    fs::copy(&plugin, tree.path().join("c.wasm")).expect("a copy");
    let installation = Installation::new();

    let inspected = installation.output(tree.path(), &["plugin", "inspect", "c.wasm", "--json"]);
    let inspected: Json = serde_json::from_slice(&inspected.stdout).expect("JSON");
    assert_eq!(inspected["name"], "guests/c");
    let imports = inspected["imports"].as_array().expect("a list");
    assert!(imports.iter().any(|import| import == "stageway:host/clock@0.1.0"), "{imports:?}");
    let granted = |import: &&Json| import.as_str().is_some_and(|name| name.contains("stageway:host/tasks"));
    assert_eq!(imports.iter().find(granted), None, "what it does not call it does not import");

    let mut command = installation.stageway(tree.path());
    command.env("STAGEWAY_PLUGINS", built.path()).args(["run", "--json"]);
    let told = stageway_tests::told(&command.output().expect("the binary starts"));
    assert_eq!(told.exit, 10, "the second stage was told to fail: {told:#?}");
    assert_eq!(told.stage("again")["status"], "failed", "{told:#?}");
    assert_eq!(told.stage("look")["status"], "succeeded", "{told:#?}");
    let seen = told.stage("look")["outputs"]["seen"].as_array().expect("a list").clone();
    assert_eq!(seen.len(), 13, "three rounds of four, and the memory: {seen:?}");
    let lines = told.lines("look");
    assert_eq!(lines, seen.iter().filter_map(Json::as_str).collect::<Vec<_>>());

    for stage in ["look", "again"] {
        let replayed = installation.output(tree.path(), &["replay", "latest", stage]);
        let verdict = String::from_utf8_lossy(&replayed.stderr).into_owned();
        assert!(verdict.contains("the same calls and the same end"), "{stage}: {verdict}");
    }
}
