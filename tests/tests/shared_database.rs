//! Two machines with one database: each sees what the other drives, and takes nothing away from it.

use stageway_stores::testing::PostgresServer;
use stageway_tests::{Installation, Running, assert_says, tree};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PIPELINE: &str = "pipeline: small
on: { push: { branches: [main] } }
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./check.sh] }
";

/// A task that does not end by itself.
fn shop() -> TempDir {
    tree(&[("stageway.yaml", PIPELINE), ("check.sh", "#!/bin/sh\necho begun\nexec sleep 600\n")])
}

/// Longer than a lease of whoever is dead.
const SOON: Duration = Duration::from_secs(30);

struct Machines {
    _postgres: PostgresServer,
    _blobs: TempDir,
    left: Installation,
    right: Installation,
}

fn machines() -> Machines {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let postgres = PostgresServer::start(true);
    let database = runtime.block_on(postgres.database());
    let blobs = tempfile::tempdir().expect("a temporary directory");
    let configuration = format!("database: file:database\nblobs: {}\n", blobs.path().display());
    let machine = || Installation::configured(&configuration, &[("database", &database)]);
    let (left, right) = (machine(), machine());
    Machines { _postgres: postgres, _blobs: blobs, left, right }
}

/// A run that one of them drives.
fn begun(machine: &Installation) -> (TempDir, Running) {
    let tree = shop();
    let mut running = machine.start(tree.path());
    running.until_line("begun");
    (tree, running)
}

fn listed(machine: &Installation, tree: &TempDir) -> String {
    String::from_utf8(machine.output(tree.path(), &["runs"]).stdout).expect("text")
}

#[test]
fn a_run_of_another_machine_is_seen_and_cancelled_but_not_taken() {
    let Machines { left, right, _postgres, _blobs } = machines();
    let (tree, running) = begun(&left);
    assert_says(&listed(&right, &tree), &["running"]);
    let resumed = right.output(tree.path(), &["resume"]);
    assert_says(&String::from_utf8_lossy(&resumed.stderr), &["no run was interrupted"]);
    let resumed = right.output(tree.path(), &["resume", "1"]);
    assert_ne!(resumed.status.code(), Some(0), "{resumed:?}");
    assert_says(
        &String::from_utf8_lossy(&resumed.stderr),
        &["came from is not known", "where it was started"],
    );
    let cancelled = right.output(tree.path(), &["cancel", "1", "--reason", "enough"]);
    assert_eq!(cancelled.status.code(), Some(0), "{cancelled:?}");
    let told = running.end();
    assert_eq!((told.exit, told.end()["status"].as_str()), (14, Some("cancelled")), "{told:#?}");
}

#[test]
fn a_run_whose_machine_is_gone_is_interrupted_and_goes_on_there() {
    let Machines { left, right, _postgres, _blobs } = machines();
    let (tree, running) = begun(&left);
    running.kill();
    let begun = Instant::now();
    while !listed(&right, &tree).contains("interrupted") {
        assert!(begun.elapsed() < SOON, "{}", listed(&right, &tree));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_says(&right.said(tree.path(), &["resume"]), &["no run was interrupted"]);
    let cancelled = left.output(tree.path(), &["cancel", "1"]);
    assert_eq!(cancelled.status.code(), Some(0), "{cancelled:?}");
    assert_says(&listed(&right, &tree), &["cancelled"]);
}
