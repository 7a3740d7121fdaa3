//! The example, as a newcomer runs it.

use serde_json::Value as Json;
use stageway_tests::{Installation, Told, orderbook, told};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const STAGES: [&str; 4] = ["unit-test", "image", "integration-test", "promote"];

fn image(told: &Told) -> String {
    told.stage("image")["outputs"]["digest"]
        .as_str()
        .unwrap_or_else(|| panic!("no image: {told:#?}"))
        .to_owned()
}

/// When the engine is killed: at the first event of this kind of this stage.
const MOMENTS: [(&str, &str); 5] = [
    ("unit-test", "line"),
    ("unit-test", "attempt-ended"),
    ("image", "attempt-ended"),
    ("integration-test", "line"),
    ("promote", "attempt-started"),
];

fn killed_five_times(installation: &Installation, tree: &Path) -> Told {
    let mut command = "run";
    for (stage, kind) in MOMENTS {
        let mut engine = installation.stageway(tree);
        engine.args([command, "--json"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut engine = engine.spawn().expect("the binary starts");
        let mut said = BufReader::new(engine.stdout.take().expect("its output")).lines();
        let is = |event: &Json| match kind {
            "line" => event["line"]["stage"] == stage,
            _ => event["event"]["kind"] == kind && event["event"]["stage"] == stage,
        };
        let reached =
            said.any(|line| line.is_ok_and(|line| serde_json::from_str(&line).is_ok_and(|event| is(&event))));
        assert!(reached, "{stage} never comes to {kind}");
        engine.kill().expect("kill -9");
        engine.wait().expect("it is gone");
        command = "resume";
    }
    told(&installation.output(tree, &[command, "--json"]))
}

#[test]
fn two_clones_make_one_image_and_what_is_unchanged_is_skipped() {
    let (one, other) = (orderbook(), orderbook());
    let (here, there) = (Installation::new(), Installation::new());

    let first = here.run(one.path(), &[]);
    assert_eq!(first.exit, 0, "{first:#?}");
    assert_eq!(first.end()["status"], "succeeded");
    for stage in STAGES {
        assert_eq!(first.stage(stage)["status"], "succeeded", "{stage}: {first:#?}");
    }

    // The other clone is at another path, with a state of its own, and its engine is killed five times: nothing is skipped, and
    // the digest is the same.
    let second = killed_five_times(&there, other.path());
    assert_eq!(second.exit, 0, "{second:#?}");
    for stage in STAGES {
        assert_eq!(second.stage(stage)["status"], "succeeded", "{stage}: {second:#?}");
        assert_eq!(second.stage(stage)["attempts"], 1, "{stage}: {second:#?}");
    }
    assert_eq!(image(&first), image(&second));

    // skopeo reads what was written, and computes the digest that was told.
    let layout = format!("oci:{}/images/production/orderbook:production", here.state().display());
    let inspected = Command::new("skopeo").args(["inspect", &layout]).output().expect("skopeo runs");
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
    let inspected: Json = serde_json::from_slice(&inspected.stdout).expect("skopeo writes JSON");
    assert_eq!(inspected["Digest"].as_str(), Some(image(&first).as_str()));

    // An unrelated file changes nothing that a stage sees.
    fs::write(one.path().join("NOTES.md"), "unrelated").expect("a file");
    let again = here.run(one.path(), &[]);
    assert_eq!(again.exit, 0, "{again:#?}");
    for stage in ["unit-test", "image", "integration-test"] {
        assert_eq!(again.stage(stage)["status"], "skipped", "{stage}: {again:#?}");
        assert!(again.stage(stage).to_string().contains("unchanged"), "{stage}: {again:#?}");
    }
    assert_eq!(again.stage("promote")["status"], "succeeded");

    // A comment in an input runs its stage again.
    let main = one.path().join("src/main.rs");
    let text = fs::read_to_string(&main).expect("a file");
    fs::write(&main, format!("{text}\n// changed\n")).expect("a file");
    let touched = here.run(one.path(), &[]);
    assert_eq!(touched.exit, 0, "{touched:#?}");
    assert_eq!(touched.stage("unit-test")["status"], "succeeded");
}
