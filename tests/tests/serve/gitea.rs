//! A real Gitea, from `git push` to the status of the commit.

use crate::world::Server;
use serde_json::json;
use stageway_tests::forge::{Gitea, SECRET, WorkTree};
use stageway_tests::{Installation, orderbook};
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PIPELINE: &str = "pipeline: demo
on: { push: { branches: [\"**\"], tags: [\"v*\"] }, pull-request: { target: [main] } }
stages:
  check:
    uses: stageway/unit-test@1
    inputs: [\"ci/**\"]
    with: { command: [./ci/check.sh] }
";

/// A server that a Gitea sends to.
struct Served {
    _server: Server,
    gitea: Gitea,
    installation: Installation,
    place: TempDir,
}

impl Served {
    fn start() -> Self {
        let (gitea, installation) = (Gitea::start(), Installation::new());
        let place = tempfile::tempdir().expect("a temporary directory");
        let address = gitea.address();
        let text = format!(
            "forges: {{ git: {{ kind: gitea, api: \"http://{address}/api/v1\", token: env:TOKEN }} }}
egress: {{ allow: [\"{address}\"] }}
connections: {{ build: {{ layout: images/build }}, production: {{ layout: images/production }} }}
repositories:
  demo:
    forge: git
    name: acme/demo
    clone: http://{address}/acme/demo.git
    login: {{ user: root1, password: env:TOKEN }}
    protected: [main]
webhooks: {{ demo: {{ repositories: demo, secrets: env:SECRET }} }}
"
        );
        fs::write(place.path().join("config.yaml"), text).expect("the configuration");
        let mut stageway = installation.stageway(place.path());
        stageway.envs([("TOKEN", gitea.token()), ("SECRET", SECRET)]);
        let server = Server::start(stageway);
        gitea.webhook(&format!("http://127.0.0.1:{}/webhooks/demo", server.port));
        Self { _server: server, gitea, installation, place }
    }

    fn work_tree(&self) -> WorkTree {
        let tree = self.gitea.work_tree();
        fs::create_dir_all(tree.path().join("ci")).expect("a folder");
        fs::write(tree.path().join("ci/check.sh"), "#!/bin/sh\nexit 0\n").expect("a file");
        let made = Command::new("chmod").arg("+x").arg(tree.path().join("ci/check.sh")).status();
        assert!(made.expect("chmod runs").success());
        fs::write(tree.path().join("stageway.yaml"), PIPELINE).expect("a file");
        tree
    }

    /// The state of a context of a commit once it is one of a run that has ended.
    fn ended(&self, revision: &str, context: &str, within: Duration) -> String {
        let ended = self.gitea.ended(revision, context, within);
        ended.unwrap_or_else(|told| panic!("{context} of {revision}: {told:#}"))
    }

    /// Waits until there are so many runs; answers how many there are.
    fn runs(&self, expected: usize) -> usize {
        let begun = Instant::now();
        loop {
            let output = self.installation.output(self.place.path(), &["runs", "--json"]);
            let runs = String::from_utf8_lossy(&output.stdout).lines().count();
            if runs >= expected || begun.elapsed() > SOON {
                return runs;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

const SOON: Duration = Duration::from_secs(90);
const PUSH: &str = "stageway/demo/push";

#[test]
fn branches_tags_forced_pushes_and_pull_requests_have_their_runs() {
    let served = Served::start();
    let tree = served.work_tree();
    let first = tree.commit("a", "one");
    tree.git(&["push", "origin", "main"]);
    assert_eq!(served.ended(&first, PUSH, SOON), "success");
    let second = tree.commit("a", "two");
    tree.git(&["push", "origin", "main", "main:side"]);
    assert_eq!(served.ended(&second, PUSH, SOON), "success");
    assert_eq!(served.runs(3), 3, "main twice, and the other branch");

    tree.git(&["push", "--force", "origin", "main~:side"]);
    tree.git(&["tag", "--annotate", "--message", "m", "v1", "main"]);
    tree.git(&["push", "origin", "v1"]);
    assert_eq!(served.ended(&second, "stageway/demo/tag", SOON), "success");
    tree.git(&["push", "origin", ":side"]);

    tree.git(&["checkout", "--quiet", "-b", "topic"]);
    let topic = tree.commit("ci/check.sh", "#!/bin/sh\nexit 3\n");
    tree.git(&["push", "origin", "topic"]);
    assert_eq!(served.ended(&topic, PUSH, SOON), "failure");
    let pull = json!({"head": "topic", "base": "main", "title": "Break it"});
    served.gitea.must("POST", "/repos/acme/demo/pulls", &pull);
    assert_eq!(served.ended(&topic, "stageway/demo/pull-request", SOON), "failure");
    assert_eq!(served.runs(7), 7, "with the forced push, the tag, the topic and its pull request");
}

#[test]
fn a_push_of_the_example_ends_with_a_promoted_image() {
    let served = Served::start();
    let example = WorkTree::of(orderbook());
    let revision = example.git(&["rev-parse", "HEAD"]);
    example.git(&["push", "--quiet", &served.gitea.remote(), "main"]);
    assert_eq!(served.ended(&revision, "stageway/orderbook/push", Duration::from_secs(600)), "success");
    let layout =
        format!("oci:{}:production", served.place.path().join("images/production/orderbook").display());
    let inspected = Command::new("skopeo").args(["inspect", &layout]).output().expect("skopeo runs");
    assert!(inspected.status.success(), "{}", String::from_utf8_lossy(&inspected.stderr));
}
