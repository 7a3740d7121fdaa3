//! A place for one run: a namespace, repositories and an installation of its own, on the cluster that all tests share.

use serde_json::Value as Json;
use stageway_tests::cluster::Cluster;
use stageway_tests::kubectl::Kubectl;
use stageway_tests::processes::until;
use stageway_tests::{Installation, committed, root, tree};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::TempDir;

static CLUSTER: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);

/// The cluster, which is started when it is first asked for.
pub fn cluster() -> Arc<Cluster> {
    let mut cluster = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let started = || Arc::new(Cluster::start_with(&root(), &["registry", "kaniko", "prometheus"]));
    cluster.get_or_insert_with(started).clone()
}

/// Ends the cluster and waits until nothing is left of it.
pub fn end() {
    drop(CLUSTER.lock().unwrap_or_else(PoisonError::into_inner).take());
}

/// How the engine of a place reaches what is outside; a test puts something between.
#[derive(Debug, Clone)]
pub struct Ways {
    /// The kubeconfig.
    pub kubeconfig: PathBuf,
    /// The registry `build`: for the engine, and for pods.
    pub build: [String; 2],
    /// The registry `production`, likewise.
    pub production: [String; 2],
}

impl Ways {
    /// The straight ones.
    pub fn straight(cluster: &Cluster) -> Self {
        let registry =
            |name: &str| ["engine", "nodes"].map(|side| cluster.part("registry", &format!("{name}-{side}")));
        Self {
            kubeconfig: cluster.kubeconfig().clone(),
            build: registry("build"),
            production: registry("production"),
        }
    }

    fn configuration(&self, cluster: &Cluster, namespace: &str) -> String {
        let of = |[engine, nodes]: &[String; 2]| {
            format!(
                "{{ registry: \"{engine}\", insecure: true, pull: \"{nodes}\", login: {{ user: robot, password: file:password }} }}"
            )
        };
        let tools = Self::straight(cluster).build;
        format!(
            "policy: policy.yaml
egress: {{ allow: [\"{}\"] }}
connections:
  tools: {}
  build: {}
  production: {}
clusters: {{ test: {{ kubeconfig: {} }} }}
executor: {{ cluster: test, namespace: {namespace}, helper: \"stageway.test/pod:1\", root-images: [tools/tools/kaniko] }}
",
            prometheus(cluster).trim_start_matches("http://"),
            of(&tools),
            of(&self.build),
            of(&self.production),
            self.kubeconfig.display(),
        )
    }
}

/// Where Prometheus is.
pub fn prometheus(cluster: &Cluster) -> String {
    cluster.part("prometheus", "url")
}

const POLICY: &str = "trust: { protected: { allow: \"*\" } }
secrets: { TOKEN: { from: file:token, to: [\"task:tools/tools/shell:1\"] } }
";

/// A namespace with everything that a run in it needs.
pub struct Place {
    pub cluster: Arc<Cluster>,
    /// The name of the namespace, and of the repositories.
    pub name: String,
    pub kubectl: Kubectl,
    pub installation: Installation,
    pub tree: TempDir,
}

impl Place {
    /// One with this work tree, in which `NAME` is its name. The installation is new but for what it has compiled.
    pub fn new(installation: Installation, ways: &Ways, files: &[(&str, &str)]) -> Self {
        static PLACES: AtomicU64 = AtomicU64::new(0);
        let cluster = cluster();
        let name = format!("place-{}", PLACES.fetch_add(1, Ordering::Relaxed));
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.replace("NAME", &name))).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let tree = tree(&files);
        let beside =
            [("policy.yaml", POLICY), ("password", "s3cret-of-the-robot"), ("token", "s3cret-token")];
        installation.configure(&ways.configuration(&cluster, &name), &beside);
        let kubectl = Kubectl::of(&cluster, &name);
        for words in [
            &["create", "namespace", &name][..],
            &["wait", "--for=create", "serviceaccount/default", "--timeout=60s"],
        ] {
            kubectl.must(words);
        }
        Self { cluster, name, kubectl, installation, tree }
    }

    /// Commits its work tree.
    pub fn committed(self) -> Self {
        committed(self.tree.path());
        self
    }

    /// What a command of its installation says, as JSON.
    pub fn json(&self, arguments: &[&str]) -> Json {
        self.installation.json(self.tree.path(), arguments)
    }

    /// What tasks of a stage wrote, as it is kept.
    pub fn task_lines(&self, stage: &str) -> Vec<String> {
        let said = self.installation.output(self.tree.path(), &["logs", "latest", stage, "--json"]);
        let said = String::from_utf8(said.stdout).expect("text");
        let lines = said.lines().map(|line| serde_json::from_str::<Json>(line).expect("JSON"));
        let written = lines.filter(|line| !line["line"]["origin"]["task"].is_null());
        written.filter_map(|line| line["line"]["text"].as_str().map(str::to_owned)).collect()
    }

    /// What was ever created in the namespace, as the API server recorded it: pods or secrets, each time by name.
    ///
    /// An engine that is killed while it creates something leaves a request that the server calls timed out, whether it was carried out
    /// or not: where nobody created it later, it was.
    pub fn created(&self, resource: &str) -> Vec<String> {
        let text = self.cluster.audit();
        let entries = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
        let ours = entries.filter(|entry| {
            let object = &entry["objectRef"];
            entry["verb"] == "create"
                && (object["resource"] == resource && object["namespace"] == *self.name)
                && object["subresource"].is_null()
        });
        let (mut made, mut cut) = (Vec::new(), BTreeSet::new());
        for entry in ours {
            let Some(name) = entry["objectRef"]["name"].as_str() else { continue };
            match entry["responseStatus"]["code"].as_u64() {
                Some(201) => made.push(name.to_owned()),
                Some(400..500) => {}
                _ => drop(cut.insert(name.to_owned())),
            }
        }
        cut.retain(|name| !made.contains(name));
        made.extend(cut);
        made
    }

    /// The names of the pods that ever were one of its tasks.
    pub fn task_pods(&self) -> Vec<String> {
        let mut pods: Vec<_> = self.created("pods");
        pods.retain(|name| name.starts_with("task-"));
        pods.sort();
        pods
    }

    /// Waits until nothing of tasks is left in the namespace.
    pub fn assert_nothing_is_left(&self) {
        let gone = |kind: &str| {
            let found = self.kubectl.get(&[kind]);
            let is_task =
                |one: &Json| one["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("task-"));
            found["items"].as_array().is_some_and(|all| !all.iter().any(is_task))
        };
        until("no pod of a task is left", || gone("pods"));
        until("no secret of a task is left", || gone("secrets"));
        assert_eq!(self.installation.task_directories(), Vec::<String>::new());
    }

    /// Takes away what runs there; nobody waits for it.
    pub fn leave(self) {
        self.kubectl.run(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
