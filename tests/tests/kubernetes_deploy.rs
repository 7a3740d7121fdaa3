//! `stageway/kubernetes-deploy` as it is shipped, on a real cluster, with the rights of the example in `engine/kubernetes` and no others:
//! the good and the bad, conflicts, what leaves the manifest, and an engine that is killed in a rollout.

use serde_json::Value as Json;
use stageway_tests::cluster::Cluster;
use stageway_tests::kubectl::Kubectl;
use stageway_tests::{Installation, Told, assert_says, root, tree};
use std::fs;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// An installation with a cluster, a namespace of it, and a pipeline that deploys there.
struct World {
    _cluster: Cluster,
    kubectl: Kubectl,
    namespace: String,
    installation: Installation,
    tree: TempDir,
    digest: String,
}

/// Serves its version; `begin` is what a container does before it is ready.
const SHOP: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { version: "${{ values.version }}" }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: ${{ values.replicas }}
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: build/shell
          imagePullPolicy: Never
          env: [{ name: VERSION, value: "${{ values.version }}" }]
          command: [sh, -c, "${{ values.begin }}; mkdir -p /tmp/www; echo $VERSION > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"]
          readinessProbe: { httpGet: { port: 8080, path: / }, periodSeconds: 1 }
"#;
const EXTRA: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: extra }\ndata: { a: b }\n";

impl World {
    fn new() -> Self {
        let cluster = Cluster::start(&root());
        let digest = fs::read_to_string(cluster.kubeconfig().with_file_name("shell.digest"));
        let digest =
            digest.expect("the digest of the shell's image stands beside the kubeconfig").trim().to_owned();
        let namespace = format!("shop-{}", std::process::id());
        let kubectl = Kubectl::of(&cluster, &namespace);
        kubectl.must(&["create", "namespace", &namespace]);
        let account = account(&cluster, &kubectl, &namespace);
        let configuration = "clusters: { test: { kubeconfig: account.yaml } }\n";
        let installation = Installation::configured(configuration, &[("account.yaml", &account)]);
        let tree = tree(&[("k8s/shop.yaml", SHOP), ("k8s/extra.yaml", EXTRA)]);
        let world = Self { _cluster: cluster, kubectl, namespace, installation, tree, digest };
        world.wants("one", 1, "true");
        world
    }

    /// Writes the pipeline.
    fn wants(&self, version: &str, replicas: u32, begin: &str) {
        let Self { namespace, digest, .. } = self;
        let pipeline = format!(
            "pipeline: shop\non: {{ push: {{ branches: [main] }} }}\nstages:\n  deploy:\n    uses: stageway/kubernetes-deploy@1\n    \
             environment: production\n    with:\n      cluster: test\n      namespace: {namespace}\n      manifest: \"k8s/*.yaml\"\n      \
             image: build/shell@{digest}\n      image-name: stageway.test/shell\n      timeout: 60s\n      \
             values: {{ version: \"{version}\", replicas: {replicas}, begin: \"{begin}\" }}\n"
        );
        fs::write(self.tree.path().join("stageway.yaml"), pipeline).expect("a file");
    }

    fn run(&self) -> Told {
        self.installation.run(self.tree.path(), &["--allow-dirty"])
    }

    /// What the pods that are ready answer.
    fn answers(&self) -> Vec<String> {
        let ask = |pod: String| self.kubectl.run(&["get", "--raw", &format!("{pod}/")]).stdout;
        let answers = self.kubectl.pods("shop").into_iter().map(ask);
        answers.map(|answer| String::from_utf8(answer).expect("text").trim().to_owned()).collect()
    }

    fn has_config_map(&self, name: &str) -> bool {
        !self.kubectl.get(&["configmap", name]).is_null()
    }

    fn releases(&self) -> Vec<Json> {
        let said = self.installation.output(self.tree.path(), &["releases", "production", "--json"]).stdout;
        let lines = String::from_utf8(said).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// The kubeconfig of the engine's account, which has the example's role in a namespace.
fn account(cluster: &Cluster, kubectl: &Kubectl, namespace: &str) -> String {
    let manifests = root().join("engine/kubernetes");
    for name in ["00-namespaces.yaml", "10-rights.yaml"] {
        kubectl.apply(&manifests.join(name));
    }
    let role = fs::read_to_string(manifests.join("deploying/shop.yaml")).expect("the example");
    let role = role.replace("namespace: shop", &format!("namespace: {namespace}"));
    kubectl.must_with(&["apply", "--filename", "-"], &role);
    let who = "system:serviceaccount:stageway:stageway";
    until("the rights hold", || {
        kubectl.run(&["auth", "can-i", "patch", "deployments.apps", "--as", who, "--quiet"]).status.success()
    });
    Kubectl::of(cluster, "stageway").kubeconfig_of("stageway")
}

fn until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(30), "not so within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn failure(told: &Told) -> &str {
    told.stage("deploy")["failure"]["message"].as_str().unwrap_or_else(|| panic!("no failure: {told:#?}"))
}

#[test]
fn a_service_is_deployed_changed_and_taken_back() {
    let world = World::new();
    let first = world.run();
    assert_eq!(first.exit, 0, "{first:#?}");
    assert_eq!(world.answers(), ["one"]);
    let pods = world.kubectl.get(&["pods", "--selector", "app=shop"]);
    let image = pods["items"][0]["spec"]["containers"][0]["image"].as_str().expect("an image");
    assert_eq!(image, format!("stageway.test/shell@{}", world.digest));

    // What a person would approve, and then the same.
    world.wants("two", 1, "true");
    fs::remove_file(world.tree.path().join("k8s/extra.yaml")).expect("the file is there");
    let plan = world.installation.said(world.tree.path(), &["plan"]);
    assert_says(
        &plan,
        &["Deployment", "[web].env[VERSION].value: \"one\" -> \"two\"", "~ data.version: \"one\" -> \"two\""],
    );
    assert_eq!(world.answers(), ["one"], "a plan changes nothing");
    let second = world.run();
    assert_eq!(second.exit, 0, "{second:#?}");
    assert_eq!(world.answers(), ["two"]);
    until("what left the manifest is deleted", || !world.has_config_map("extra"));

    // A bad one: the one before answers again.
    world.wants("bad", 1, "echo no database; exit 3");
    fs::write(world.tree.path().join("k8s/new.yaml"), EXTRA.replace("extra", "new")).expect("a file");
    let bad = world.run();
    assert_eq!(bad.exit, 10, "{bad:#?}");
    let release = world.releases()[1]["id"].as_str().expect("an id").to_owned();
    assert_says(failure(&bad), &["CrashLoopBackOff", "exit code 3", "rolled back to release", &release]);
    assert_says(&bad.lines("deploy").join("\n"), &["no database"]);
    assert_eq!(world.answers(), ["two"]);
    assert_eq!(world.kubectl.get(&["configmap", "settings"])["data"]["version"], "two");
    until("what was new is deleted", || !world.has_config_map("new"));
    assert_eq!(world.releases()[0]["verdict"], "bad");
    fs::remove_file(world.tree.path().join("k8s/new.yaml")).expect("the file is there");

    // Killed while it follows the rollout.
    world.wants("three", 1, "sleep 5");
    let before = world.releases().len();
    let mut killed = world.installation.start_with(world.tree.path(), &["--allow-dirty"], &[]);
    killed.until_line("following Deployment");
    std::thread::sleep(Duration::from_millis(500));
    killed.kill();
    let resumed = world.installation.go_on(world.tree.path()).end();
    assert_eq!(resumed.exit, 0, "{resumed:#?}");
    assert_eq!(world.answers(), ["three"]);
    assert_eq!(world.releases().len(), before + 1, "it is one release");

    // Somebody else's field.
    let theirs = format!(
        "{{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{{\"name\":\"shop\",\"namespace\":\"{}\"}},\"spec\":{{\"replicas\":2}}}}",
        world.namespace
    );
    let file = world.tree.path().join("theirs.json");
    fs::write(&file, theirs).expect("a file");
    let file = file.display().to_string();
    let by_hand =
        ["apply", "--server-side", "--force-conflicts", "--field-manager", "by-hand", "--filename", &file];
    assert!(world.kubectl.run(&by_hand).status.success());
    let conflict = world.run();
    assert_eq!(conflict.exit, 10, "{conflict:#?}");
    assert_says(failure(&conflict), &["nothing was applied", "k8s/shop.yaml", "`spec.replicas` (`by-hand`)"]);
    assert_eq!(world.releases().len(), before + 1);
}

#[test]
fn what_is_wrong_with_a_manifest_is_told_before_anything() {
    let pipeline = format!(
        "pipeline: shop\non: {{ push: {{ branches: [main] }} }}\nstages:\n  deploy:\n    uses: stageway/kubernetes-deploy@1\n    \
         environment: production\n    with: {{ cluster: test, namespace: shop, manifest: [k8s.yaml, absent.yaml], image-name: r/shop, image: \"build/shop@sha256:{}\" }}\n",
        "0".repeat(64)
    );
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata:\n  on: yes\n  host: ${{ values.host }}\n";
    let tree = tree(&[("stageway.yaml", &pipeline), ("k8s.yaml", manifest)]);
    let installation = Installation::configured("clusters: { test: { kubeconfig: absent } }\n", &[]);
    let told = installation.run(tree.path(), &["--allow-dirty"]);
    assert_eq!(told.exit, 10, "{told:#?}");
    assert_says(
        failure(&told),
        &[
            "`absent.yaml` is no file",
            "k8s.yaml:5: `on` is true to kubectl",
            "k8s.yaml:6: `values.host` is unknown",
        ],
    );
    // A cluster that is not configured is told before the run.
    let elsewhere = Installation::configured("clusters: { other: {} }\n", &[]);
    let refused = elsewhere.run(tree.path(), &["--allow-dirty"]);
    assert_eq!(refused.exit, 12, "{refused:#?}");
    assert_says(&refused.complaints, &["`test` of stage `deploy`", "`clusters`", "other"]);
}
