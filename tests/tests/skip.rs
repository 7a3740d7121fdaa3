//! A stage is skipped with a proof, and runs again when anything that it could see is different.

use serde_json::Value as Json;
use stageway_tests::{Installation, Told, assert_says, binary, told, tree};
use std::fs;
use std::path::{Path, PathBuf};

const PIPELINE: &str = "pipeline: small
on: { push: { branches: [main] } }
stages:
  check:
    uses: stageway/unit-test@1
    inputs: [\"src/**\", \"*.sh\"]
    with: { command: [./check.sh, VALUE] }
";

struct Shop {
    installation: Installation,
    tree: tempfile::TempDir,
    plugins: tempfile::TempDir,
    toolbox: tempfile::TempDir,
}

impl Shop {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a temporary directory");
        let (plugins, toolbox) = (folder(), folder());
        let beside = binary().parent().expect("a folder").join("plugins");
        for entry in fs::read_dir(beside).expect("plugins").filter_map(Result::ok) {
            fs::copy(entry.path(), plugins.path().join(entry.file_name())).expect("a copy");
        }
        fs::write(toolbox.path().join("tool"), "#!/bin/sh\necho 1\n").expect("a file");
        let configuration = format!("toolbox: [{}]\n", toolbox.path().display());
        let tree = tree(&[
            ("stageway.yaml", PIPELINE),
            ("check.sh", "#!/bin/sh\necho ran \"$1\"\n"),
            ("src/main.rs", "fn main() {}\n"),
        ]);
        Self { installation: Installation::configured(&configuration, &[]), tree, plugins, toolbox }
    }

    fn run(&self) -> Told {
        let mut command = self.installation.stageway(self.tree.path());
        command.args(["run", "--json"]).env("STAGEWAY_PLUGINS", self.plugins.path());
        let told = told(&command.output().expect("the binary starts"));
        assert_eq!(told.exit, 0, "{told:#?}");
        told
    }

    fn change(&self, file: &str, change: impl Fn(&str) -> String) {
        change_file(&self.tree.path().join(file), change);
    }

    fn plugin(&self) -> PathBuf {
        let mut files = fs::read_dir(self.plugins.path()).expect("plugins").filter_map(Result::ok);
        let found = files.find(|entry| entry.file_name().to_string_lossy().contains("unit"));
        found.expect("the plugin").path()
    }
}

fn change_file(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).expect("a file");
    fs::write(path, change(&text)).expect("a file");
}

fn proof(told: &Told) -> Option<&Json> {
    told.stage("check")["reason"].get("unchanged")
}

#[test]
fn what_a_stage_cannot_see_skips_it_and_what_it_can_see_runs_it() {
    let shop = Shop::new();
    let first = shop.run();
    assert_eq!(first.stage("check")["status"], "succeeded");

    shop.change("stageway.yaml", |text| format!("# a comment\n{text}"));
    fs::write(shop.tree.path().join("NOTES.md"), "unrelated").expect("a file");
    let second = shop.run();
    let equal = proof(&second).unwrap_or_else(|| panic!("it ran: {second:#?}"));
    assert_eq!(equal["run"], first.end()["run"]);
    assert_eq!(second.stage("check")["outputs"], first.stage("check")["outputs"]);
    assert_says(&shop.installation.said(shop.tree.path(), &["show", "2"]), &["unchanged", "run 1"]);

    shop.change("src/main.rs", |text| format!("{text}// touched\n"));
    assert!(proof(&shop.run()).is_none(), "an input is different");
    shop.change("stageway.yaml", |text| text.replace("VALUE", "OTHER"));
    assert!(proof(&shop.run()).is_none(), "a configuration value is different");
    assert!(proof(&shop.run()).is_some(), "and then nothing is");

    // An empty custom section: the same code in a component with another digest.
    let plugin = shop.plugin();
    let mut bytes = fs::read(&plugin).expect("a component");
    bytes.extend([0, 2, 1, b'x']);
    fs::write(&plugin, bytes).expect("a component");
    assert!(proof(&shop.run()).is_none(), "the plugin is different");
    assert!(proof(&shop.run()).is_some());

    fs::write(shop.toolbox.path().join("tool"), "#!/bin/sh\necho version 2\n").expect("a file");
    assert!(proof(&shop.run()).is_none(), "the toolbox is different");
    assert!(proof(&shop.run()).is_some());
}
