//! A stage with a matrix, from the file to what is told of its cells.

use serde_json::json;
use stageway_tests::{Installation, Told, assert_says, tree};
use std::fs;

const PIPELINE: &str = "pipeline: small
on: { push: { branches: [main] } }
stages:
  check:
    uses: stageway/unit-test@1
    matrix:
      level: [1, 2]
      os: [linux, macos]
      exclude: [{ level: 2, os: macos }]
    inputs: [\"*.sh\"]
    artifacts: { said: out }
    with: { command: [./check.sh, \"${{ matrix.os }}\", \"level ${{ matrix.level }}\"] }
  report:
    uses: stageway/unit-test@1
    needs: [check]
    from: { said: stages.check.artifacts.said }
    env: { CELLS: \"${{ stages.check.outputs.size() }}\", ONE: \"${{ stages.check.outputs['1-linux']['duration-ms'] >= 0 }}\" }
    with: { command: [./report.sh] }
";

const CHECK: &str = "#!/bin/sh
echo \"$2 on $1\" | tee out
";

const REPORT: &str = "#!/bin/sh
echo \"$CELLS cells, $ONE\"
cat said/1-linux said/1-macos said/2-linux
";

fn shop() -> tempfile::TempDir {
    tree(&[("stageway.yaml", PIPELINE), ("check.sh", CHECK), ("report.sh", REPORT)])
}

fn statuses(told: &Told) -> Vec<(String, String)> {
    let stages = told.end()["stages"].as_object().expect("stages");
    let status = |stage: &serde_json::Value| stage["status"].as_str().unwrap_or_default().to_owned();
    stages.iter().map(|(name, stage)| (name.clone(), status(stage))).collect()
}

fn are(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn cells_run_one_by_one_and_are_told_of_by_their_names() {
    let (installation, shop) = (Installation::new(), shop());
    let first = installation.run(shop.path(), &[]);
    assert_eq!(first.exit, 0, "{first:#?}");
    let cells = ["check-1-linux", "check-1-macos", "check-2-linux"];
    let all =
        [(cells[0], "succeeded"), (cells[1], "succeeded"), (cells[2], "succeeded"), ("report", "succeeded")];
    assert_eq!(statuses(&first), are(&all));
    assert_eq!(first.lines("check-2-linux"), ["level 2 on linux"]);
    let told = ["3 cells, true", "level 1 on linux", "level 1 on macos", "level 2 on linux"];
    assert_eq!(first.lines("report"), told);
    assert_says(&installation.said(shop.path(), &["show", "1"]), &cells);
    assert_says(&installation.said(shop.path(), &["logs", "1", "check-1-macos"]), &["level 1 on macos"]);

    // Another value makes another cell; the others have not changed, each by its own proof.
    let file = shop.path().join("stageway.yaml");
    fs::write(&file, PIPELINE.replace("[1, 2]", "[1, 2, 3]")).expect("a file");
    let second = installation.run(shop.path(), &[]);
    let new = [("check-3-linux", "succeeded"), ("check-3-macos", "succeeded")];
    for (cell, status) in new {
        assert_eq!(second.stage(cell)["status"], status);
    }
    for cell in cells {
        assert_eq!(second.stage(cell)["reason"]["unchanged"]["run"], first.end()["run"], "{cell}");
    }
}

#[test]
fn a_cell_that_fails_is_named_and_the_others_end() {
    let (installation, shop) = (Installation::new(), shop());
    let check = format!("{CHECK}test \"$1\" != macos\n");
    fs::write(shop.path().join("check.sh"), check).expect("a file");
    let told = installation.run(shop.path(), &[]);
    assert_eq!(told.exit, 10, "{told:#?}");
    let all = [
        ("check-1-linux", "succeeded"),
        ("check-1-macos", "failed"),
        ("check-2-linux", "succeeded"),
        ("report", "skipped"),
    ];
    assert_eq!(statuses(&told), are(&all));
    assert_eq!(told.stage("report")["reason"], json!({ "upstream": "check-1-macos" }));
}

#[test]
fn lint_expand_plan_and_explain_know_cells() {
    let (installation, shop) = (Installation::new(), shop());
    let said = |arguments: &[&str]| installation.said(shop.path(), arguments);
    assert_says(&said(&["lint"]), &["nothing is wrong"]);
    assert_says(&said(&["expand"]), &["matrix:", "\"1-linux\":", "stage: check-1-linux"]);
    assert_says(
        &said(&["plan"]),
        &["check-2-linux", "cell      of check: level=2, os=linux", "check-1-macos"],
    );
    assert_says(&said(&["explain", "SW0121"]), &["matrix", "exclude"]);
    let file = shop.path().join("stageway.yaml");
    fs::write(&file, PIPELINE.replace("level: [1, 2]", "level: [1.10, 2]")).expect("a file");
    assert_says(&said(&["lint"]), &["SW0121", "write it in quotes"]);
}
