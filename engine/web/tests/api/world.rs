//! A server in memory with two tenants that have things of the same names.

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request};
use serde_json::{Value as Json, json};
use stageway_conductor::service::{Ids, Place, Reception, Site, Starter, TenantRules, Wake};
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::event::{Event, Trust};
use stageway_core::grant::Ceiling;
use stageway_core::log::{Line, Origin, Report};
use stageway_core::name::{EnvironmentName, RunId, StageName, TenantId, TokenName};
use stageway_core::operator::{Operator, Token};
use stageway_core::plan::{Plan, PlannedStage};
use stageway_core::plugin::PluginRef;
use stageway_core::policy::{EnvironmentRule, Policy};
use stageway_core::run::{AttemptEnding, RunEvent, RunStatus, Usage};
use stageway_core::task::{Collected, TaskLimits};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::memory::{ManualClock, MemoryBlobs, MemoryForge, MemoryStore};
use stageway_ports::{
    Admission, Approval, Batch, Beside, Blobs, FoundPlugin, Inbox, ListedPlugin, NewDelivery, NewRun,
    Outcome, PluginError, Plugins, RunKey, Store, Writer,
};
use stageway_web::{App, Limits, Metrics, Resources, Tokens, router};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tower::ServiceExt as _;

pub const START: u64 = 1_767_225_600_000;
/// What is only acme's: nobody else ever reads it.
pub const MARK: &str = "the-mark-of-acme";

pub struct World {
    pub store: MemoryStore,
    pub blobs: MemoryBlobs,
    pub stop: watch::Sender<bool>,
    pub wake: Arc<Wake>,
    /// Of the first tenant's artifact.
    pub artifact: Digest,
    router: Router,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        body["code"].as_str().unwrap().to_owned()
    }
}

struct OnePlugin;

#[async_trait]
impl Plugins for OnePlugin {
    async fn find(&self, reference: &PluginRef, _: &Beside) -> Result<FoundPlugin, PluginError> {
        Err(PluginError::Unreadable { file: reference.to_string(), problem: "nothing is run here".into() })
    }

    async fn list(&self) -> Result<Vec<ListedPlugin>, PluginError> {
        Ok(vec![ListedPlugin {
            name: serde_json::from_value(json!("acme/script")).unwrap(),
            version: "1.0.0".parse().unwrap(),
            summary: "runs a script".into(),
            digest: Digest::of(b"plugin"),
            imports: vec!["stageway:host/tasks@0.1.0".into()],
        }])
    }
}

pub fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

/// What the second stage asks.
pub fn question(mark: &str) -> Approval {
    Approval {
        stage: stage("deploy"),
        attempt: 1,
        seq: 0,
        question: format!("May it go on? {mark}"),
        options: json!({"approvers": []}),
        asked_at: START,
        deadline: None,
        answer: None,
    }
}

/// The only file of the tree that a tenant's runs are about.
pub fn file_of(owner: &TenantId) -> String {
    format!("pipeline: {owner}\n")
}

fn tree_of(owner: &TenantId) -> Tree {
    let bytes = file_of(owner);
    let content = Content { digest: Digest::of(bytes.as_bytes()), size: bytes.len() as u64 };
    let file = Node::File { content, executable: false };
    [(WorkspacePath::new("stageway.yaml").unwrap(), file)].into_iter().collect()
}

/// `TENANT-SCOPES`, such as `acme-read-run`; its text is `sw_` and its name.
fn token(tenant: &str, scopes: &[&str]) -> (TokenName, Token) {
    let name = format!("{tenant}-{}", scopes.join("-"));
    let token = Token {
        tenant: self::tenant(tenant),
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        groups: ["deployers".to_owned()].into(),
        hash: Digest::of(format!("sw_{name}").as_bytes()),
        expires: None,
    };
    (name.parse().unwrap(), token)
}

fn tokens() -> Tokens {
    let all = ["read", "run", "approve", "admin"];
    let mut tokens = vec![token("acme", &all), token("other", &all), token("limited", &["read"])];
    for scope in all {
        tokens.push(token("acme", &[scope]));
        let rest: Vec<&str> = all.into_iter().filter(|other| *other != scope).collect();
        tokens.push(token("acme", &rest));
    }
    Tokens::new(&tokens.into_iter().collect())
}

fn site() -> Site {
    let mut policy = Policy::single_machine();
    let production = EnvironmentName::new("production").unwrap();
    let rule = EnvironmentRule { refs: vec!["main".into()], approvers: vec!["deployers".into()] };
    policy.environments.insert(production, rule);
    let mut site = Site::default();
    let text = "forges: { git: { kind: github } }
repositories: { demo: { forge: git, name: acme/demo, clone: https://git.example.com/demo.git } }";
    let operator = Operator::parse("config.yaml", text.as_bytes()).unwrap();
    for name in ["acme", "other", "limited"] {
        let rules = TenantRules { parallel_runs: 1, ..TenantRules::usual(policy.clone()) };
        site.tenants.insert(tenant(name), rules);
        for (id, repository) in &operator.service.repositories {
            let forge = Arc::new(MemoryForge::default());
            let place = Place { repository: repository.clone(), forge, reports: false };
            site.repositories.insert((tenant(name), id.clone()), place);
        }
    }
    site
}

impl World {
    pub async fn new() -> Self {
        // Nobody takes in what is told here.
        Self::with(Limits { start_time: Duration::from_millis(20), ..Limits::default() }).await
    }

    pub async fn with(limits: Limits) -> Self {
        let (store, blobs) = (MemoryStore::new(), MemoryBlobs::new());
        let (stop, stopped) = watch::channel(false);
        let wake = Arc::new(Wake::default());
        let clock = Arc::new(ManualClock::new(START));
        let site = Arc::new(site());
        let count = AtomicU64::new(0);
        let ids: Ids = Arc::new(move || format!("id{}", count.fetch_add(1, Ordering::Relaxed)));
        let starter = Starter {
            inbox: Arc::new(store.clone()),
            store: Arc::new(store.clone()),
            clock: clock.clone(),
            ids: ids.clone(),
            wake: wake.clone(),
        };
        let reception = Reception {
            site,
            inbox: Arc::new(store.clone()),
            clock,
            wake: wake.clone(),
            decoy: Arc::new(MemoryForge::default()),
        };
        let resources = Resources {
            store: Arc::new(store.clone()),
            queue: Arc::new(store.clone()),
            freezes: Arc::new(store.clone()),
            blobs: Arc::new(blobs.clone()),
            plugins: Arc::new(OnePlugin),
            starter,
            tokens: tokens(),
        };
        let app = App::new(reception, resources, ids, limits, Arc::new(Metrics::default()), stopped);
        let artifact = Digest::of(format!("artifact of acme {MARK}").as_bytes());
        let world = Self { store, blobs, stop, wake, artifact, router: router(Arc::new(app)) };
        world.fill("acme", "acme-", MARK).await;
        world.fill("other", "other-", "nothing").await;
        world
    }

    /// A tenant's things: a run whose first stage has succeeded and whose second asks, and a delivery.
    async fn fill(&self, owner: &str, prefix: &str, mark: &str) {
        let owner = tenant(owner);
        let content = self.blobs.put(format!("artifact of {owner} {mark}").into_bytes()).await.unwrap();
        self.blobs.put(file_of(&owner).into_bytes()).await.unwrap();
        let writer = self.run(&owner, &format!("{prefix}run")).await;
        let file = Collected::File { content, executable: false };
        let ending = AttemptEnding::Succeeded {
            outputs: json!({"mark": mark}).as_object().cloned().unwrap(),
            artifacts: [("binary".to_owned(), file)].into(),
        };
        let at = START + 2;
        let events = vec![
            RunEvent::AttemptStarted { at: START + 1, stage: stage("build"), attempt: 1 },
            RunEvent::AttemptEnded { at, stage: stage("build"), attempt: 1, ending, usage: Usage::default() },
            RunEvent::StageWaiting { at, stage: stage("deploy"), why: "for an approval".into() },
        ];
        let header = json!({"header": {"format": 1, "contract": "0.1.0", "component": Digest::of(b"c"),
            "configuration": {"mark": mark}, "tree": Digest::of(b"t"), "limits": {}, "seed": "00", "at": START}});
        let records = vec![(stage("build"), 1, serde_json::from_value(header).unwrap())];
        let lines = (0..3).map(|ordinal| line("build", ordinal, &format!("line {ordinal} {mark}")));
        let report: Report =
            serde_json::from_value(json!({"stage": "build", "attempt": 1, "seq": 0, "ordinal": 9,
            "at": START, "kind": "tests", "body": {"tests": 3, "mark": mark}}))
            .unwrap();
        let batch = Batch {
            expected: 1,
            events,
            records,
            lines: lines.collect(),
            reports: vec![report],
            ..Batch::default()
        };
        self.store.append(&writer, batch).await.unwrap();
        self.store.ask(&writer, question(mark)).await.unwrap();
        self.deliver(&owner, &format!("{prefix}delivery"), mark).await;
    }

    async fn deliver(&self, owner: &TenantId, id: &str, mark: &str) {
        let new = NewDelivery {
            id: id.parse().unwrap(),
            webhook: "hook".parse().unwrap(),
            key: format!("key-{id}").parse().unwrap(),
            at: START,
            event: "push".into(),
            headers: vec![("x-event".into(), mark.into())],
            body: mark.as_bytes().to_vec(),
            repository: Some("demo".parse().unwrap()),
            moves: vec![],
            outcome: Some(Outcome {
                at: START,
                summary: format!("nothing to do {mark}"),
                ..Outcome::default()
            }),
        };
        self.store.receive(owner, new).await.unwrap();
    }

    /// A run of two stages, leased.
    pub async fn run(&self, owner: &TenantId, id: &str) -> Writer {
        self.admit(owner, id).await;
        self.writer(owner, id).await
    }

    /// A run of two stages that nobody drives.
    pub async fn admit(&self, owner: &TenantId, id: &str) {
        let event = Event::push("main", "0123456789abcdef", Trust::Protected);
        let plan = json!({"pipeline": "shop", "file": "stageway.yaml", "event": event, "vars": {}, "parameters": {},
            "timeout-ms": 3_600_000, "connections": "as-written", "stages": [],
            "ceiling": Ceiling::of(&Policy::single_machine(), Trust::Protected)});
        let mut deploy = planned();
        deploy.environment = Some("production".parse().unwrap());
        let stages = [(stage("build"), planned()), (stage("deploy"), deploy)].into_iter().collect();
        let plan = Plan { stages, ..serde_json::from_value(plan).unwrap() };
        let run = RunId::new(id).unwrap();
        let tree = self.blobs.put(tree_of(owner).encode()).await.unwrap().digest;
        let events = vec![RunEvent::Created { at: START, plan: plan.digest(), tree }];
        let (pipeline, plan) = (plan.pipeline.clone(), serde_json::to_value(&plan).unwrap());
        let new = NewRun { id: run.clone(), pipeline, plan, at: START, events };
        let key = RunKey {
            repository: "demo".parse().unwrap(),
            pipeline: new.pipeline.clone(),
            reference: "refs/heads/main".parse().unwrap(),
            generation: 1,
            kind: "push".into(),
            parameters: id.to_owned(),
        };
        let revision = "a".repeat(40).parse().unwrap();
        let context = Some("stageway/test/push".into());
        let (delivery, concurrency, after, listened) = (None, None, None, false);
        let admission =
            Admission { key, run: new, revision, delivery, concurrency, context, after, listened };
        self.store.admit(owner, admission).await.unwrap();
    }

    pub async fn writer(&self, owner: &TenantId, id: &str) -> Writer {
        let run = RunId::new(id).unwrap();
        let lease = self.store.lease(owner, &run, "test", START, START + 9, true).await.unwrap().unwrap();
        Writer { tenant: owner.clone(), run, fence: lease.fence }
    }

    /// Ends acme's run.
    pub async fn end(&self) {
        let writer = self.writer(&tenant("acme"), "acme-run").await;
        let events = vec![RunEvent::Ended { at: START + 9, status: RunStatus::Cancelled }];
        self.store.append(&writer, Batch { expected: 4, events, ..Batch::default() }).await.unwrap();
    }

    /// More lines of acme's run.
    pub async fn say(&self, ordinals: std::ops::Range<u32>) {
        let writer = self.writer(&tenant("acme"), "acme-run").await;
        let lines = ordinals.map(|ordinal| line("build", ordinal, &format!("line {ordinal}"))).collect();
        self.store.append(&writer, Batch { lines, ..Batch::default() }).await.unwrap();
    }

    pub async fn send(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request with a token, if there is one, and reads the answer whole.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let response = self.send(request(method, path, token, headers, body)).await;
        let (parts, body) = response.into_parts();
        let read = tokio::time::timeout(Duration::from_secs(20), to_bytes(body, 16 << 20));
        let body = read.await.expect("an answer ends").expect("an answer is whole");
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// Reads below acme's address with all scopes.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", &acme(path), ALL, &[], "").await
    }

    /// Sends JSON below acme's address with all scopes.
    pub async fn post(&self, path: &str, body: &Json) -> Answer {
        self.ask("POST", &acme(path), ALL, &[("content-type", "application/json")], &body.to_string()).await
    }
}

/// May everything of acme.
pub const ALL: &str = "sw_acme-read-run-approve-admin";

pub fn acme(path: &str) -> String {
    format!("/api/v1/tenants/acme{path}")
}

pub fn request(method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !token.is_empty() {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub fn line(of: &str, ordinal: u32, text: &str) -> Line {
    Line {
        stage: Some(stage(of)),
        attempt: 1,
        at: START,
        level: stageway_core::call::LogLevel::Info,
        origin: Origin::Plugin { seq: 0, ordinal },
        text: text.into(),
    }
}

fn planned() -> PlannedStage {
    serde_json::from_value(json!({
        "uses": "acme/script@1",
        "plugin": {"name": "acme/script", "version": "1.0.0", "digest": Digest::of(b"plugin")},
        "needs": [], "when": {"source": "success()", "decided": true, "asks-status": false, "mentions": []},
        "with": {}, "configuration": {}, "from": {}, "workspace": {"submodules": true}, "artifacts": {}, "services": [],
        "caches": {}, "env": {}, "secrets": {}, "grants": {}, "denied": [], "limits": {},
        "task-limits": TaskLimits::default(),
        "retry": {"attempts": 1, "on": ["errored"], "backoff": {"first-ms": 1000, "most-ms": 300_000}},
        "timeout-ms": 3_600_000, "uninterruptible": false, "finally": false, "outputs": {}, "skip": "allowed",
    }))
    .unwrap()
}

impl World {
    /// Bytes that belong to nobody.
    pub async fn blobs_of(&self, text: &str) -> Digest {
        self.blobs.put(text.as_bytes().to_vec()).await.unwrap().digest
    }
}
