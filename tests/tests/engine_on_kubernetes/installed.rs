//! What an operator does: databases, secrets, the manifests with what is theirs written into them, a webhook at the forge.

use crate::image::{Images, built};
use crate::moto::Moto;
use serde_json::{Value as Json, json};
use stageway_stores::testing::PostgresServer;
use stageway_tests::cluster::Cluster;
use stageway_tests::forge::{Gitea, SECRET, WorkTree};
use stageway_tests::kubectl::{Kubectl, Proxy};
use stageway_tests::root;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Where pods find the database, the bucket and the forge.
const NODE: &str = "10.88.0.1";
const DATABASE_PORT: u16 = 5432;
const BUCKET_PORT: u16 = 9000;
const FORGE_PORT: u16 = 3000;
/// Longer than everything of a run takes on a machine that does much else.
pub(crate) const SOON: Duration = Duration::from_secs(180);

/// The engine on a cluster, with everything beside it.
pub(crate) struct Installed {
    /// In the namespace of the engine.
    pub(crate) kubectl: Kubectl,
    /// In that of its tasks.
    pub(crate) tasks: Kubectl,
    pub(crate) proxy: Proxy,
    pub(crate) gitea: Gitea,
    pub(crate) clone: WorkTree,
    pub(crate) cluster: Cluster,
    _moto: Moto,
    postgres: PostgresServer,
    database: String,
    runtime: Runtime,
}

impl Installed {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let postgres = PostgresServer::start(true);
        let database = runtime.block_on(postgres.database());
        let (moto, gitea) = (Moto::start(), Gitea::start());
        assert!(moto.ask("PUT /stageway", "", "").starts_with("HTTP/1.1 200"), "a bucket is made");
        let passes = [
            format!("pass:{DATABASE_PORT}={}", postgres.socket().display()),
            format!("pass:{BUCKET_PORT}=127.0.0.1:{}", moto.port),
            format!("pass:{FORGE_PORT}={}", gitea.address()),
        ];
        let parts: Vec<&str> = ["registry"].into_iter().chain(passes.iter().map(String::as_str)).collect();
        let cluster = Cluster::start_with(&root(), &parts);
        let images = built(&cluster);
        let (kubectl, tasks) = (Kubectl::of(&cluster, "stageway"), Kubectl::of(&cluster, "stageway-tasks"));
        let proxy = Proxy::start(&kubectl);
        let clone = gitea.work_tree();
        let installed =
            Self { kubectl, tasks, proxy, gitea, clone, cluster, _moto: moto, postgres, database, runtime };
        installed.secrets();
        installed.apply(&images);
        installed.is_rolled_out();
        let service = "/api/v1/namespaces/stageway/services/stageway:http/proxy";
        let port = installed.proxy.port;
        installed.gitea.webhook(&format!("http://127.0.0.1:{port}{service}/webhooks/demo"));
        installed
    }

    /// The secrets that the manifests name, made by hand as README.md says.
    fn secrets(&self) {
        self.kubectl.apply(&root().join("engine/kubernetes/00-namespaces.yaml"));
        let (_, name) = self.database.rsplit_once('/').expect("an address ends with its database");
        let database = format!("postgres://postgres@{NODE}:{DATABASE_PORT}/{name}?sslmode=disable");
        let of = |name: &str, value: &str| format!("--from-literal={name}={value}");
        let values = [of("database", &database), of("forge", self.gitea.token()), of("webhook", SECRET)];
        self.secret("stageway", &values);
        let bucket = [
            of("AWS_REGION", "us-east-1"),
            of("AWS_ACCESS_KEY_ID", "key"),
            of("AWS_SECRET_ACCESS_KEY", "secret"),
            of("AWS_ENDPOINT_URL_S3", &format!("http://{NODE}:{BUCKET_PORT}")),
        ];
        self.secret("stageway-environment", &bucket);
    }

    fn secret(&self, name: &str, values: &[String]) {
        let values = values.iter().map(String::as_str);
        let words: Vec<&str> = ["create", "secret", "generic", name].into_iter().chain(values).collect();
        self.kubectl.must(&words);
    }

    /// The manifests, with the image and the configuration that they leave to the operator.
    fn apply(&self, images: &Images) {
        let copy = tempfile::tempdir().expect("a temporary directory");
        for entry in fs::read_dir(root().join("engine/kubernetes")).expect("the manifests") {
            let path = entry.expect("an entry").path();
            let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|e| e == "yaml"))
            else {
                continue;
            };
            let text = fs::read_to_string(&path).expect("a manifest");
            let text = match name.to_str() {
                Some("30-configuration.yaml") => self.configuration(images).to_string(),
                Some("40-engine.yaml") => {
                    let changed = text.replace("registry.example.com/stageway:1", &images.engine);
                    assert_ne!(changed, text, "the image has its place");
                    changed
                }
                _ => text,
            };
            fs::write(copy.path().join(name), text).expect("a copy");
        }
        self.kubectl.apply(copy.path());
    }

    fn configuration(&self, images: &Images) -> Json {
        let forge = format!("{NODE}:{FORGE_PORT}");
        let secret = |name: &str| format!("file:/run/secrets/stageway/{name}");
        let configuration = json!({
            "listen": "0.0.0.0:8080",
            "policy": "policy.yaml",
            "database": secret("database"),
            "blobs": "s3://stageway/blobs",
            "clusters": { "here": {} },
            "executor": {
                "cluster": "here", "namespace": "stageway-tasks", "tasks": "all",
                "toolbox": "stageway.test/shell:1", "helper": images.helper, "service-account": "tasks",
            },
            "egress": { "allow": [forge] },
            "forges": { "git": { "kind": "gitea", "api": format!("http://{forge}/api/v1"), "token": secret("forge") } },
            "repositories": { "demo": {
                "forge": "git", "name": "acme/demo", "clone": format!("http://{forge}/acme/demo.git"),
                "login": { "user": "root1", "password": secret("forge") }, "protected": ["main"],
            } },
            "webhooks": { "demo": { "repositories": "demo", "secrets": secret("webhook") } },
        });
        let policy = json!({
            "trust": { "protected": { "allow": "*" } },
            "secrets": { "TOKEN": { "from": secret("webhook"), "to": ["task:toolbox"] } },
        });
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "stageway", "namespace": "stageway" },
            "data": { "config.yaml": configuration.to_string(), "policy.yaml": policy.to_string() },
        })
    }

    /// Waits until both replicas are ready.
    pub(crate) fn is_rolled_out(&self) {
        let followed = self.kubectl.run(&["rollout", "status", "deployment/stageway", "--timeout=180s"]);
        assert!(followed.status.success(), "{}", self.said());
    }

    /// Everything that is of use to whoever reads of a failure.
    pub(crate) fn said(&self) -> String {
        let about = [
            (&self.kubectl, &["get", "pods", "--output", "wide"][..]),
            (&self.kubectl, &["get", "events"]),
            (&self.kubectl, &["logs", "--selector", "app=stageway", "--prefix", "--tail=50"]),
            (&self.tasks, &["get", "pods", "--output", "yaml"]),
            (&self.tasks, &["get", "events"]),
        ];
        let said = about.iter().map(|(kubectl, words)| {
            let output = kubectl.run(words);
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
        });
        said.collect::<Vec<_>>().join("\n")
    }

    /// What the database answers to a question for a number.
    pub(crate) fn count(&self, question: String) -> i64 {
        self.runtime.block_on(self.postgres.ask(&self.database, question.leak()))
    }

    /// The names of the replicas.
    pub(crate) fn replicas(&self) -> Vec<String> {
        let pods = self.kubectl.get(&["pods", "--selector", "app=stageway"]);
        let names = pods["items"].as_array().into_iter().flatten();
        names.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until there is something.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < SOON, "{what}: that does not become so\n{}", self.said());
            sleep(Duration::from_millis(100));
        }
    }
}
