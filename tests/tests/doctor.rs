//! What `stageway doctor` says of an installation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use serde_json::Value as Json;
use stageway_tests::cluster::Cluster;
use stageway_tests::kubectl::Kubectl;
use stageway_tests::registry::PrivateRegistry;
use stageway_tests::{Installation, assert_says, root, tree};

/// The exit code, and the findings by what they are about.
fn doctor(installation: &Installation, more: &[&str]) -> (i32, Vec<Json>) {
    let tree = tree(&[]);
    let output = installation.output(tree.path(), &[&["doctor", "--json"], more].concat());
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(!text.contains(PrivateRegistry::PASSWORD) && !text.contains("wr0ng"), "{text}");
    let findings = text.lines().map(|line| serde_json::from_str(line).expect("a finding a line")).collect();
    (output.status.code().expect("an exit code"), findings)
}

fn about<'a>(findings: &'a [Json], what: &str) -> &'a Json {
    let found = findings.iter().find(|finding| finding["what"] == what);
    found.unwrap_or_else(|| panic!("nothing about {what}: {findings:#?}"))
}

fn says(finding: &Json, words: &[&str]) {
    let text = format!("{} {} {}", finding["state"], finding["seen"], finding["remedy"]);
    assert_says(&text, words);
}

#[test]
fn nothing_is_wrong_with_what_was_just_set_up() {
    let installation = Installation::new();
    let (exit, findings) = doctor(&installation, &[]);
    assert_eq!(exit, 0, "{findings:#?}");
    for what in ["git", "plugins", "database", "blobs", "tasks on this machine"] {
        says(about(&findings, what), &["good"]);
    }
    says(about(&findings, "tasks on this machine"), &["the sandbox works"]);
    let tree = tree(&[]);
    let text = String::from_utf8(installation.output(tree.path(), &["doctor"]).stdout).expect("text");
    assert_says(&text, &["good    git: ", "nothing is wrong in "]);
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_its_remedy() {
    let registry = PrivateRegistry::start();
    let address = registry.address();
    let configuration = format!(
        "database: env:STAGEWAY_TEST_ABSENT
connections:
  good: {{ registry: \"{address}\", insecure: true, login: {{ user: robot, password: file:password }} }}
  bad: {{ registry: \"{address}\", insecure: true, login: {{ user: robot, password: file:wrong }} }}
  gone: {{ registry: \"127.0.0.1:9\", insecure: true }}
  empty: {{ registry: \"{address}\", insecure: true, login: {{ user: robot, password: file:absent }} }}
clusters:
  far: {{ kubeconfig: nowhere }}
policy: policy.yaml
"
    );
    let policy =
        "trust: { protected: { allow: \"*\" } }\nsecrets: { TOKEN: { from: file:not-there, to: [] } }\n";
    let beside = [("password", PrivateRegistry::PASSWORD), ("wrong", "wr0ng"), ("policy.yaml", policy)];
    let installation = Installation::configured(&configuration, &beside);
    let asked = ["--repository", "good/team/shop", "--repository", "nobody/shop"];
    let (exit, findings) = doctor(&installation, &asked);
    assert_eq!(exit, 11, "{findings:#?}");
    says(about(&findings, "database"), &["wrong", "STAGEWAY_TEST_ABSENT", "`database`"]);
    says(about(&findings, "secret TOKEN of local"), &["wrong", "not-there", "put it there"]);
    says(about(&findings, "good/team/shop"), &["good", "pull, push"]);
    says(about(&findings, "nobody/shop"), &["wrong", "no connection", "CONNECTION/REPOSITORY"]);
    says(about(&findings, "connection bad: push"), &["wrong", "`--repository`"]);
    says(about(&findings, "connection gone"), &["wrong", "127.0.0.1:9", "whether it runs"]);
    says(about(&findings, "connection empty"), &["wrong", "absent", "login"]);
    says(about(&findings, "cluster far"), &["wrong", "nowhere", "kubeconfig"]);
}

#[test]
fn rights_that_tasks_lack_in_a_cluster_are_named() {
    let cluster = Cluster::start(&root());
    let kubectl = Kubectl::of(&cluster, "doctor");
    kubectl.must(&["create", "namespace", "doctor"]);
    kubectl.must(&["create", "serviceaccount", "engine"]);
    kubectl.must(&[
        "create",
        "role",
        "some",
        "--verb=get,list,watch,create,delete",
        "--resource=pods,pods/log",
    ]);
    kubectl.must(&["create", "rolebinding", "some", "--role=some", "--serviceaccount=doctor:engine"]);
    let kubeconfig = kubectl.kubeconfig_of("engine");
    let configuration = "clusters:\n  test: { kubeconfig: kubeconfig.json }\nexecutor: { cluster: test, namespace: doctor, tasks: all, toolbox: stageway.test/shell:1 }\n";
    let installation = Installation::configured(configuration, &[("kubeconfig.json", &kubeconfig)]);
    let (exit, findings) = doctor(&installation, &[]);
    assert_eq!(exit, 11, "{findings:#?}");
    says(about(&findings, "cluster test"), &["good", "Kubernetes v1."]);
    let pods = about(&findings, "pods in namespace doctor of cluster test");
    let seen = "the engine may not patch pods, get pods/exec, create pods/exec, create secrets, list events";
    says(pods, &["wrong", seen, "Role"]);
    assert!(!findings.iter().any(|finding| finding["what"] == "tasks on this machine"), "{findings:#?}");

    // What is shipped for an engine in a cluster is enough.
    for file in ["00-namespaces.yaml", "10-rights.yaml"] {
        kubectl.apply(&root().join("engine/kubernetes").join(file));
    }
    let kubeconfig = Kubectl::of(&cluster, "stageway").kubeconfig_of("stageway");
    let configuration = configuration.replace("namespace: doctor", "namespace: stageway-tasks");
    let installation = Installation::configured(&configuration, &[("kubeconfig.json", &kubeconfig)]);
    let (exit, findings) = doctor(&installation, &[]);
    assert_eq!(exit, 0, "{findings:#?}");
}
