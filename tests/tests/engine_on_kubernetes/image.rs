//! The images, built by Stageway into a registry of the cluster.

use stageway_tests::cluster::Cluster;
use stageway_tests::passage::{Moody, Says};
use stageway_tests::{Installation, binary, root};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// How long the image of the helper takes to be pulled, at least.
pub(crate) const PULL: Duration = Duration::from_secs(4);
const SLOW_PORT: u16 = 5002;

/// Where the nodes pull both.
pub(crate) struct Images {
    pub(crate) engine: String,
    pub(crate) helper: String,
}

/// Runs the pipeline of the project with the binary, the plugins and the helper that this machine has built.
pub(crate) fn built(cluster: &Cluster) -> Images {
    // A task has a `/tmp` of its own, which hides what the machine has there.
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary directory");
    let bin = made.path().join("bin");
    fs::create_dir_all(bin.join("plugins")).expect("a folder");
    place(&binary(), &bin.join("stageway"));
    place(&helper(), &bin.join("stageway-pod"));
    let plugins = binary().with_file_name("plugins");
    for entry in fs::read_dir(plugins).expect("the plugins that `engine/build` built") {
        let from = entry.expect("an entry").path();
        place(&from, &bin.join("plugins").join(from.file_name().expect("a name")));
    }
    let registry = cluster.part("registry", "build-engine");
    let configuration = format!(
        "toolbox: [{}]\nconnections: {{ build: {{ registry: \"{registry}\", insecure: true }} }}\n",
        bin.display()
    );
    let installation = Installation::configured(&configuration, &[]);
    let told =
        installation.run(&root(), &["--file", "engine/image/stageway.yaml", "--param", "from=toolbox"]);
    assert_eq!(told.exit, 0, "{told:#?}");
    let nodes = cluster.part("registry", "build-nodes");
    let pulled = |registry: &str, stage: &str| {
        let reference = told.stage(stage)["outputs"]["reference"].as_str().expect("a reference");
        let path = reference.strip_prefix("build/").expect("an image of the connection");
        format!("{registry}/{path}")
    };
    let slow = slow(cluster, &nodes);
    Images { engine: pulled(&nodes, "engine"), helper: pulled(&slow, "helper") }
}

/// Somebody before the registry who lets the first request of a node wait.
fn slow(cluster: &Cluster, registry: &str) -> String {
    let says: Arc<Says> = Arc::new(|number, _| {
        if number == 0 {
            sleep(PULL);
        }
        None
    });
    Moody::at(SLOW_PORT, registry, Some(&cluster.network()), says).address()
}

/// The program that stands in pods, as the project builds it.
fn helper() -> std::path::PathBuf {
    let built = Command::new(root().join("engine/executors/pod/setup")).output().expect("the set-up runs");
    String::from_utf8(built.stdout).expect("a path").trim().into()
}

/// The same file at another place, without its bytes being copied where that can be.
fn place(from: &Path, to: &Path) {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).expect("a copy");
    }
}
