//! A pipeline of the first-party plugins over a tiny tree, killed after every append of its store.
//!
//! Each append is a life of its own: killed there, resumed, and compared with the life that nobody killed. `CRASH_APPENDS=7`
//! looks at one.

use serde_json::Value as Json;
use stageway_tests::killing::{Kill, Lived};
use stageway_tests::processes::until;
use stageway_tests::{Installation, Told, committed, tree};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

const STAGES: [&str; 4] = ["unit-test", "image", "integration-test", "promote"];
/// Lives at the same time.
const TOGETHER: usize = 2;

const PIPELINE: &str = r#"
pipeline: crash
on: { push: { branches: [main] } }
stages:
  unit-test:
    uses: stageway/unit-test@1
    caches: { count: /count }
    with: { command: [./work.sh, unit], junit: built/junit.xml }
    artifacts: { service: built/service }
  image:
    uses: stageway/image-assemble@1
    needs: [unit-test]
    inputs: []
    from: { bin: stages.unit-test.artifacts.service }
    with: { repository: build/crash, files: { /service: bin }, entrypoint: [/service], tags: [one] }
  integration-test:
    uses: stageway/integration-test@1
    needs: [image]
    caches: { count: /count }
    with: { image: "${{ stages.image.outputs.reference }}", command: [./work.sh, integration], ready: { command: [/service, ready] } }
  promote:
    uses: stageway/promote@1
    needs: [integration-test]
    environment: production
    with: { image: "${{ stages.image.outputs.reference }}", to: production/crash, tags: [v1], moving-tag: production }
"#;
/// A command of 20 ms.
const WORK: &str = "#!/bin/sh
echo $1 >> /count/starts
sleep 0.02
mkdir -p built
cp service built/
echo '<testsuite name=\"work\"><testcase name=\"works\"/></testsuite>' > built/junit.xml
echo worked
";
/// Ready at once, and there until it is told to end.
const SERVICE: &str = "#include <unistd.h>\nint main(int count, char **words) { (void)words; if (count > 1) return 0; for (;;) pause(); }\n";

fn work_tree() -> TempDir {
    let tree = tree(&[("stageway.yaml", PIPELINE), ("work.sh", WORK), ("service.c", SERVICE)]);
    let compiled = Command::new("cc")
        .args(["-static", "-Os", "-s", "-o", "service", "service.c"])
        .current_dir(tree.path())
        .status();
    assert!(compiled.expect("cc runs").success());
    committed(tree.path());
    tree
}

/// What must be the same whatever was killed.
#[derive(Debug, PartialEq)]
struct Left {
    outputs: Vec<Json>,
    tags: Vec<(String, Json)>,
    starts: Vec<String>,
    lines: Vec<(String, String)>,
    tasks: Vec<String>,
}

fn left(installation: &Installation, tree: &Path) -> Left {
    let shown = installation.output(tree, &["show", "latest", "--json"]);
    let shown: Json = serde_json::from_slice(&shown.stdout).expect("JSON");
    let outputs = |stage: &str| {
        let mut outputs = shown["stages"][stage]["outputs"].clone();
        // How long a command took is no choice of the pipeline's.
        outputs.as_object_mut().into_iter().for_each(|outputs| drop(outputs.remove("duration-ms")));
        outputs
    };
    let mut starts = installation.counted("starts");
    starts.sort();
    until("the tasks are gone", || installation.tasks_running().is_empty());
    Left {
        outputs: STAGES.iter().map(|stage| outputs(stage)).collect(),
        tags: ["build/crash", "production/crash"].iter().flat_map(|name| tags(installation, name)).collect(),
        starts,
        lines: STAGES.iter().flat_map(|stage| lines(installation, tree, stage)).collect(),
        tasks: installation.task_directories(),
    }
}

/// What the tags of a repository name.
fn tags(installation: &Installation, repository: &str) -> Vec<(String, Json)> {
    let index = std::fs::read(installation.state().join("images").join(repository).join("index.json"));
    let index: Json = serde_json::from_slice(&index.expect("an index")).expect("JSON");
    let named = |manifest: &Json| {
        let tag = manifest["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
        Some((format!("{repository}:{tag}"), manifest["digest"].clone()))
    };
    let mut tags: Vec<_> =
        index["manifests"].as_array().expect("manifests").iter().filter_map(named).collect();
    tags.sort_by(|one, other| one.0.cmp(&other.0));
    tags
}

fn lines(installation: &Installation, tree: &Path, stage: &str) -> Vec<(String, String)> {
    let log = installation.output(tree, &["logs", "latest", stage, "--json"]);
    let log = String::from_utf8(log.stdout).expect("text");
    let texts = log.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
    let standing = texts.filter(|line| line["struck"] != true);
    standing.map(|line| (stage.to_owned(), line["line"]["text"].to_string())).collect()
}

fn succeeded(told: &Told, what: &str) {
    assert_eq!(told.exit, 0, "{what}: {told:#?}");
    for stage in STAGES {
        assert_eq!(told.stage(stage)["status"], "succeeded", "{what}: {told:#?}");
    }
}

/// A life that is killed after this append, and resumed.
fn killed_after(append: u64, warm: &Installation, tree: &Path) -> Left {
    let (installation, what) = (warm.warm(), format!("killed after append {append}"));
    let mut arguments = &["run", "--json"][..];
    let mut kill = Some(Kill::Append(append));
    loop {
        match installation.live(tree, arguments, kill.take(), |_| {}) {
            Lived::Ended(told, _) => {
                // A run that was over when its engine died cannot be resumed, and need not be.
                let over = told.exit == 2 && told.complaints.contains("has ended: it succeeded");
                if !over {
                    succeeded(&told, &what);
                }
                return left(&installation, tree);
            }
            Lived::Killed => {
                let runs = installation.output(tree, &["runs", "--json"]);
                let there = !String::from_utf8_lossy(&runs.stdout).trim().is_empty();
                arguments = if there { &["resume", "latest", "--json"] } else { &["run", "--json"] };
            }
        }
    }
}

#[test]
fn it_ends_the_same_after_whichever_append_it_is_killed() {
    let (tree, warm) = (work_tree(), Installation::new());
    let Lived::Ended(told, counts) = warm.live(tree.path(), &["run", "--json"], None, |_| {}) else {
        panic!("nobody killed it")
    };
    succeeded(&told, "undisturbed");
    let whole = left(&warm, tree.path());
    assert_eq!(whole.starts, ["integration", "unit"]);
    assert_eq!(whole.tags.len(), 3, "{whole:#?}");
    let only = std::env::var("CRASH_APPENDS").ok().map(|text| text.parse().expect("a number"));
    let (next, last) = (AtomicU64::new(only.unwrap_or(1)), only.unwrap_or(counts.appends));
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let append = next.fetch_add(1, Ordering::SeqCst);
                    if append > last {
                        return;
                    }
                    assert_eq!(
                        killed_after(append, &warm, tree.path()),
                        whole,
                        "killed after append {append}"
                    );
                }
            });
        }
    });
    println!("killed after each of the appends up to {last}, of {}", counts.appends);
}
