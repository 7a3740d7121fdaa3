//! Pushes, and the pods that they lead to.

use crate::image::PULL;
use crate::installed::{Installed, SOON};
use serde_json::Value as Json;
use stageway_tests::plugins_with_probe;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

const PIPELINE: &str = "pipeline: demo
on: { push: { branches: [main] } }
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./check.sh] }
";
/// One of the other kind: its task has neither a workspace nor our helper.
const ALONE: &str = "pipeline: demo
on: { push: { branches: [main] } }
stages:
  probe:
    uses: ./probe.wasm
    with: { alone: true, command: [sh, -c, 'test -n \"$TOKEN\"'] }
    secrets: { TOKEN: TOKEN }
    grants: { tasks: {}, secrets: [TOKEN] }
";
const CONTEXT: &str = "stageway/demo/push";
/// Ends when it is told to.
const WAITS: &str = "#!/bin/sh\ntouch /tmp/begun\nuntil [ -e /tmp/go ]; do sleep 0.1; done\n";

/// A push whose task waits in its pod.
pub(crate) struct Waiting<'a> {
    installed: &'a Installed,
    revision: String,
    pod: String,
    uid: String,
}

pub(crate) fn a_push_is_a_run_whose_task_is_a_pod(installed: &Installed) {
    let revision = push(installed, "#!/bin/sh\n[ -w . ] && [ \"$(id -u)\" = 65532 ]\n");
    assert_eq!(ended(installed, &revision), "success", "{}", installed.said());
    assert_eq!(started(installed).len(), 1);
    assert_a_pull_is_told(installed);
}

/// The image of the helper came slowly, and its way is told apart from the rest of the start.
fn assert_a_pull_is_told(installed: &Installed) {
    let part = |key: &str| {
        let text = r#"SELECT COALESCE(max(took::text::bigint), -1) FROM stageway.record,
            jsonb_path_query(body::jsonb, '$.**."KEY"') AS took"#;
        installed.count(text.replace("KEY", key))
    };
    let wanted = i64::try_from(PULL.as_millis()).expect("a number");
    let (pulled, started, ran) = (part("pulled-ms"), part("started-ms"), part("ran-ms"));
    assert!(pulled >= wanted && (1..wanted).contains(&started) && ran >= 0, "{pulled} {started} {ran}");
}

pub(crate) fn a_task_without_a_workspace_has_a_pod_of_its_own_and_its_secret(installed: &Installed) {
    let probe = plugins_with_probe().join("probe.wasm");
    fs::copy(probe, installed.clone.path().join("probe.wasm")).expect("a component");
    let revision = pushed(installed, ALONE);
    assert_eq!(ended(installed, &revision), "success", "{}", installed.said());
    assert_eq!(started(installed).len(), 2);
}

/// Commits a script that is the check, and pushes it.
fn push(installed: &Installed, script: &str) -> String {
    let file = installed.clone.path().join("check.sh");
    fs::write(&file, script).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("permissions");
    pushed(installed, PIPELINE)
}

fn pushed(installed: &Installed, pipeline: &str) -> String {
    let tree = &installed.clone;
    fs::write(tree.path().join("stageway.yaml"), pipeline).expect("a file");
    let count = started(installed).len();
    let revision = tree.commit("count", &count.to_string());
    tree.git(&["push", "--quiet", "origin", "main"]);
    revision
}

fn ended(installed: &Installed, revision: &str) -> String {
    let ended = installed.gitea.ended(revision, CONTEXT, SOON);
    ended.unwrap_or_else(|told| panic!("{revision}: {told:#}\n{}", installed.said()))
}

/// Every pod whose task has ever been started.
fn started(installed: &Installed) -> BTreeSet<String> {
    let events = installed.tasks.get(&["events"]);
    let of_task = events["items"].as_array().into_iter().flatten().filter(|event| {
        event["reason"] == "Started" && event["involvedObject"]["fieldPath"] == "spec.containers{task}"
    });
    of_task.filter_map(|event| event["involvedObject"]["uid"].as_str().map(str::to_owned)).collect()
}

/// The pods of tasks that are there.
fn pods(installed: &Installed) -> Vec<Json> {
    let pods = installed.tasks.get(&["pods", "--selector", "app.kubernetes.io/managed-by=stageway"]);
    pods["items"].as_array().cloned().unwrap_or_default()
}

impl<'a> Waiting<'a> {
    /// Pushes, and waits until the task has begun.
    pub(crate) fn push(installed: &'a Installed) -> Self {
        let revision = push(installed, WAITS);
        let begun = |pod: &Json| {
            let name = pod["metadata"]["name"].as_str()?;
            let asked = ["exec", name, "--container", "task", "--", "test", "-e", "/tmp/begun"];
            let uid = pod["metadata"]["uid"].as_str()?.to_owned();
            installed.tasks.run(&asked).status.success().then(|| (name.to_owned(), uid))
        };
        let (pod, uid) = installed.until("the task begins", || pods(installed).iter().find_map(begun));
        Self { installed, revision, pod, uid }
    }

    /// The replica that drives its run; none between two.
    pub(crate) fn driver(&self) -> Option<String> {
        let drives = |replica: &String| {
            let question = format!(
                "SELECT count(*) FROM stageway.run WHERE ended_at IS NULL AND holder LIKE 'serve {replica} %'"
            );
            self.installed.count(question) > 0
        };
        self.installed.replicas().into_iter().find(drives)
    }

    /// How often its run has changed hands.
    pub(crate) fn fence(&self) -> i64 {
        self.installed.count("SELECT fence FROM stageway.run WHERE ended_at IS NULL".to_owned())
    }

    /// Lets the task end, and looks at what came of it: one pod, one ending, one word to the forge.
    pub(crate) fn goes_on_to_its_only_end(self) {
        let Self { installed, revision, pod, uid } = self;
        let there = pods(installed);
        let uids: Vec<_> = there.iter().filter_map(|pod| pod["metadata"]["uid"].as_str()).collect();
        assert_eq!(uids, [&uid], "it is the same pod, and the only one");
        let begun = started(installed);
        installed.tasks.must(&["exec", &pod, "--container", "task", "--", "touch", "/tmp/go"]);
        assert_eq!(ended(installed, &revision), "success", "{}", installed.said());
        let path = format!("/repos/acme/demo/commits/{revision}/statuses");
        let told = installed.gitea.api("GET", &path, None).body;
        let told = told.as_array().into_iter().flatten();
        assert_eq!(told.filter(|status| status["status"] == "success").count(), 1);
        installed.until("the pod is forgotten", || pods(installed).is_empty().then_some(()));
        assert_eq!(started(installed), begun, "nothing was started again");
    }
}
