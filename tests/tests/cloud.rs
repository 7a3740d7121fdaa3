//! The whole story of the Orderbook team on real parts: from `git push` over Kaniko, registries and a Kubernetes to a Deployment that a
//! Prometheus watches; and back again when it is bad.

use serde_json::Value as Json;
use stageway_tests::cluster::Cluster;
use stageway_tests::forge::{Gitea, SECRET, WorkTree};
use stageway_tests::hook::Hook;
use stageway_tests::kubectl::{Kubectl, Proxy};
use stageway_tests::server::{Server, request};
use stageway_tests::{Installation, orderbook, root};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A push until its image is tested, on a machine that does much else.
const BUILT: Duration = Duration::from_secs(900);
/// From there until what was deployed has been watched.
const RELEASED: Duration = Duration::from_secs(240);
/// The secret in the address of the team's chat.
const CHAT: &str = "s3cret-of-the-chat";

/// Everything that the team has.
struct Team {
    cluster: Cluster,
    kubectl: Kubectl,
    gitea: Gitea,
    chat: Hook,
    _server: Server,
    proxy: Proxy,
    installation: Installation,
    place: TempDir,
    clone: WorkTree,
}

impl Team {
    fn start() -> Self {
        let cluster = Cluster::start_with(&root(), &["registry", "kaniko", "prometheus"]);
        let kubectl = Kubectl::of(&cluster, "orderbook");
        for namespace in ["ci", "orderbook"] {
            let made = kubectl.run(&["create", "namespace", namespace]);
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let (gitea, chat, installation) = (Gitea::start(), Hook::start(&["200 OK"]), Installation::new());
        let place = tempfile::tempdir().expect("a temporary directory");
        fs::write(place.path().join("config.yaml"), configuration(&cluster, &gitea, &chat))
            .expect("the configuration");
        fs::write(place.path().join("policy.yaml"), policy(&cluster, &chat)).expect("the policy");
        let mut stageway = installation.stageway(place.path());
        stageway.envs([("TOKEN", gitea.token()), ("SECRET", SECRET), ("CHAT", CHAT)]);
        let server = Server::start(stageway);
        gitea.webhook(&format!("http://127.0.0.1:{}/webhooks/orderbook", server.port));
        let proxy = Proxy::start(&kubectl);
        let clone = WorkTree::of(orderbook());
        Self { cluster, kubectl, gitea, chat, _server: server, proxy, installation, place, clone }
    }

    /// The example with its two pipelines for a cluster, as the team has them.
    fn adopt(&self) {
        let (to, from) = (self.clone.path(), root().join("examples/orderbook/cloud"));
        for folder in [".stageway", "deploy"] {
            fs::create_dir_all(to.join(folder)).expect("a folder");
        }
        for (name, place) in [
            ("build.yaml", ".stageway/build.yaml"),
            ("release.yaml", ".stageway/release.yaml"),
            ("orderbook.yaml", "deploy/orderbook.yaml"),
        ] {
            fs::copy(from.join(name), to.join(place)).expect("a copy");
        }
        fs::remove_file(to.join("stageway.yaml")).expect("the pipeline for one machine");
        fs::remove_dir_all(to.join("cloud")).expect("what was taken from it");
    }

    /// Commits everything and pushes it; answers the commit.
    fn push(&self, message: &str) -> String {
        self.clone.git(&["add", "--all"]);
        self.clone.git(&["commit", "--quiet", "--message", message]);
        self.clone.git(&["push", "--quiet", &self.gitea.remote(), "main"]);
        self.clone.git(&["rev-parse", "HEAD"])
    }

    /// The state of a context of a commit once its run has ended.
    fn ended(&self, revision: &str, context: &str, within: Duration) -> String {
        let ended = self.gitea.ended(revision, context, within);
        ended.unwrap_or_else(|told| panic!("{context} of {revision}: {told:#}\n{}", self.newest()))
    }

    fn said(&self, arguments: &[&str]) -> String {
        let arguments = [&["--config", "config.yaml"], arguments].concat();
        let mut command = self.installation.stageway(self.place.path());
        let output = command.args(arguments).envs([("TOKEN", "-"), ("SECRET", "-"), ("CHAT", "-")]).output();
        String::from_utf8_lossy(&output.expect("the binary starts").stdout).into_owned()
    }

    /// The newest run with its logs, for people who read of a failure.
    fn newest(&self) -> String {
        format!("{}\n{}", self.said(&["show", "latest"]), self.said(&["logs", "latest"]))
    }

    /// The newest run as JSON.
    fn latest(&self) -> Json {
        let text = self.said(&["show", "latest", "--json"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Builds and releases what is pushed; answers how each ended.
    fn released(&self, revision: &str) -> (String, String) {
        let built = self.ended(revision, "stageway/orderbook/push", BUILT);
        if built != "success" {
            return (built, String::new());
        }
        (built, self.ended(revision, "stageway/release/pipeline", RELEASED))
    }

    /// The image that the Deployment asks for.
    fn deployed(&self) -> String {
        let deployment = self.kubectl.get(&["deployment", "orderbook"]);
        let image = deployment.pointer("/spec/template/spec/containers/0/image");
        image.and_then(Json::as_str).unwrap_or_default().to_owned()
    }

    /// What every pod that runs answers.
    fn answers(&self, path: &str) -> Vec<u16> {
        let ask = |pod: String| request(self.proxy.port, "GET", &format!("{pod}{path}"), &[], b"").ok();
        self.kubectl.pods("orderbook").into_iter().filter_map(ask).map(|answer| answer.status).collect()
    }

    /// Looks at what the chat was told last.
    fn assert_told(&self, text: &str) {
        let last = self.chat.requests().pop().expect("the chat is told");
        let body = String::from_utf8_lossy(&last.body);
        assert!(last.first.starts_with(&format!("POST /hooks/{CHAT} ")) && body.contains(text), "{body}");
    }

    /// The tags of a repository in one of the registries.
    fn tags(&self, registry: &str, repository: &str) -> BTreeSet<String> {
        let address = self.cluster.part("registry", &format!("{registry}-engine"));
        let port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let answer =
            request(port, "GET", &format!("/v2/{repository}/tags/list"), &[], b"").expect("an answer");
        let tags = answer.json()["tags"].as_array().cloned().unwrap_or_default();
        tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
    }
}

fn configuration(cluster: &Cluster, gitea: &Gitea, chat: &Hook) -> String {
    let address = gitea.address();
    let registry = |name: &str| {
        let (engine, nodes) = (
            cluster.part("registry", &format!("{name}-engine")),
            cluster.part("registry", &format!("{name}-nodes")),
        );
        format!("{{ registry: \"{engine}\", insecure: true, pull: \"{nodes}\" }}")
    };
    let prometheus = cluster.part("prometheus", "url");
    let (prometheus, chat) = (prometheus.trim_start_matches("http://"), chat.address());
    format!(
        "policy: policy.yaml
forges: {{ git: {{ kind: gitea, api: \"http://{address}/api/v1\", token: env:TOKEN }} }}
egress: {{ allow: [\"{address}\", \"{prometheus}\", \"{chat}\"] }}
connections:
  build: {}
  production: {}
clusters: {{ production: {{ kubeconfig: {} }} }}
executor:
  cluster: production
  namespace: ci
  helper: stageway.test/pod:1
  root-images: [build/tools/kaniko]
repositories:
  orderbook:
    forge: git
    name: acme/demo
    clone: http://{address}/acme/demo.git
    login: {{ user: root1, password: env:TOKEN }}
    protected: [main]
webhooks: {{ orderbook: {{ repositories: orderbook, secrets: env:SECRET }} }}
",
        registry("build"),
        registry("production"),
        cluster.kubeconfig().display(),
    )
}

fn policy(cluster: &Cluster, chat: &Hook) -> String {
    let chat = chat.address();
    format!(
        "trust: {{ protected: {{ allow: \"*\" }} }}
vars:
  automatic: true
  kaniko: build/tools/kaniko:1
  prometheus: {}
  window: 24s
  interval: 1s
  chat: http://{chat}/hooks/{{secret}}
secrets: {{ CHAT: {{ from: env:CHAT, to: [\"http:{chat}\"] }} }}
",
        cluster.part("prometheus", "url")
    )
}

/// Somebody who uses the service all the time.
fn use_it(team: &Team) -> Arc<AtomicBool> {
    let over = Arc::<AtomicBool>::default();
    let (until, proxy) = (over.clone(), team.proxy.port);
    let kubectl = team.kubectl.clone();
    thread::spawn(move || {
        while !until.load(Ordering::Relaxed) {
            let pods = kubectl.pods("orderbook");
            for _ in 0..5 {
                for path in pods.iter().map(|pod| format!("{pod}/trades?after=424242")) {
                    // A pod that goes away answers late or never, and holds up nobody.
                    thread::spawn(move || request(proxy, "GET", &path, &[], b""));
                }
                thread::sleep(Duration::from_millis(150));
            }
        }
    });
    over
}

#[test]
fn a_push_is_built_tested_promoted_deployed_and_watched() {
    let team = Team::start();
    team.adopt();
    let over = use_it(&team);

    let first = team.push("adopt the pipelines of the cluster");
    assert_eq!(team.released(&first), ("success".into(), "success".into()), "{}", team.newest());
    let good = team.deployed();
    assert!(
        good.starts_with(&format!("{}/orderbook@sha256:", team.cluster.part("registry", "production-nodes"))),
        "{good}"
    );
    assert_eq!(team.answers("/health"), [200, 200]);
    let tags = team.tags("production", "orderbook");
    assert!(tags.contains("production") && tags.contains(&format!("prod-{first}")), "{tags:?}");
    let built = team.tags("build", "orderbook");
    assert!(built.iter().any(|tag| tag.starts_with("inputs-")), "{built:?}");
    assert!(built.iter().any(|tag| tag.starts_with("sha256-")), "its provenance is listed: {built:?}");

    let promoted = format!("orderbook {first}: prod-{first} created, production created; watched: good");
    team.assert_told(&promoted);

    // The same sources again.
    let file = team.clone.path().join(".stageway/build.yaml");
    let text = fs::read_to_string(&file).expect("the pipeline");
    fs::write(&file, text + "# nothing changed\n").expect("the pipeline");
    let second = team.push("say that nothing changed");
    assert_eq!(team.released(&second), ("success".into(), "success".into()), "{}", team.newest());
    assert_eq!(team.tags("build", "orderbook"), built, "nothing was built");
    assert_eq!(team.deployed(), good);
    team.assert_told(&format!(
        "orderbook {second}: prod-{second} created, production already; watched: good"
    ));

    // A release whose tests see nothing, and whose users do.
    let file = team.clone.path().join("src/api/mod.rs");
    let text = fs::read_to_string(&file).expect("the source");
    let bad = "fn trades(&self, query: &Query) -> Result<Answer, Problem> {
        if query.number(\"after\") == Some(424_242) {
            return Ok(json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!({})));
        }";
    let changed = text.replace("fn trades(&self, query: &Query) -> Result<Answer, Problem> {", bad);
    assert_ne!(changed, text);
    fs::write(&file, changed).expect("the source");
    let third = team.push("answer somebody badly");
    assert_eq!(team.released(&third), ("success".into(), "failure".into()), "{}", team.newest());
    let told = team.latest().to_string();
    assert!(told.contains("stageway/objective-missed") && told.contains("rolled back release"), "{told}");
    assert_eq!(team.deployed(), good, "the release before is back");
    team.assert_told(&format!(
        "orderbook {third}: prod-{third} created, production moved; watched: not good"
    ));
    assert_eq!(team.answers("/trades?after=424242"), [200, 200]);

    // Nobody sees anything.
    let prometheus = team.cluster.part("prometheus", "pid");
    assert!(Command::new("kill").args(["-9", &prometheus]).status().expect("kill runs").success());
    fs::write(&file, text).expect("the source");
    let fourth = team.push("answer everybody well again");
    let (built, released) = team.released(&fourth);
    assert_eq!((built.as_str(), released.as_str()), ("success", "error"), "{}", team.newest());
    assert!(team.latest().to_string().contains("stageway/no-data"), "{}", team.newest());
    over.store(true, Ordering::Relaxed);
}
