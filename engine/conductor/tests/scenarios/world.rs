//! An engine whose every port is in memory, and plans for it.

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use stageway_conductor::driver::{DriveError, drive};
use stageway_conductor::engine::{Engine, Observer, Registries, Rules};
use stageway_conductor::trees::Trees;
use stageway_core::call::Call;
use stageway_core::digest::Digest;
use stageway_core::event::{Event, Trust};
use stageway_core::grant::{Ceiling, Grants};
use stageway_core::journal::Record;
use stageway_core::log::Line;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_core::plan::{Plan, PlannedStage};
use stageway_core::policy::Policy;
use stageway_core::run::{Ended, RunEvent, RunState, RunStatus};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::memory::{
    ManualClock, MemoryBlobs, MemoryExecutor, MemoryHttp, MemoryRegistry, MemorySecrets, MemorySource,
    MemoryStore, ScriptedGuests, ScriptedHost, ScriptedLife, TaskScript,
};
use stageway_ports::{
    ApprovalAnswer, Blobs, Clock, Cluster, Guests, NewRun, Registry, Store, StoredLine, Writer,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-01-01T00:00Z.
pub const START: u64 = 1_767_225_600_000;

/// Everything that outlives an engine.
pub struct World {
    pub store: MemoryStore,
    pub blobs: MemoryBlobs,
    pub executor: MemoryExecutor,
    pub registry: Arc<MemoryRegistry>,
    pub http: Arc<MemoryHttp>,
    pub secrets: MemorySecrets,
    pub source: MemorySource,
    pub clock: ManualClock,
    pub cluster: Option<Arc<dyn Cluster>>,
    pub guests: ScriptedGuests,
    /// What runs components, where that is not `guests` itself.
    pub host: Option<Arc<dyn Guests>>,
    pub seen: Arc<Seen>,
    pub rules: Rules,
    pub tree: Tree,
    pub trust: Trust,
}

/// What an observer saw.
#[derive(Default)]
pub struct Seen {
    pub lines: Mutex<Vec<String>>,
    pub calls: Mutex<Vec<Call>>,
}

impl Observer for Seen {
    fn line(&self, _run: &RunId, line: &Line) {
        self.lines.lock().unwrap().push(line.text.clone());
    }

    fn call(&self, _run: &RunId, call: &Call) {
        self.calls.lock().unwrap().push(call.clone());
    }
}

struct OneRegistry(Arc<MemoryRegistry>);

#[async_trait]
impl Registries for OneRegistry {
    async fn open(&self, _tenant: &TenantId, connection: &str) -> Option<Arc<dyn Registry>> {
        (connection == "reg").then(|| self.0.clone() as Arc<dyn Registry>)
    }
}

pub fn tenant() -> TenantId {
    TenantId::local()
}

pub fn name(stage: &str) -> StageName {
    StageName::new(stage).unwrap()
}

impl World {
    pub fn new() -> Self {
        Self::with_tasks(|_| TaskScript::exits(0))
    }

    /// A world whose tasks do what `play` says.
    pub fn with_tasks(
        play: impl Fn(&stageway_core::task::TaskSpec) -> TaskScript + Send + Sync + 'static,
    ) -> Self {
        Self {
            store: MemoryStore::new(),
            blobs: MemoryBlobs::new(),
            executor: MemoryExecutor::new(move |_, spec| play(spec)),
            registry: Arc::default(),
            http: Arc::default(),
            secrets: MemorySecrets::new([("TOKEN", b"s3cr3t-value".as_slice())]),
            source: MemorySource::default(),
            clock: ManualClock::new(START),
            cluster: None,
            guests: ScriptedGuests::new(),
            host: None,
            seen: Arc::default(),
            rules: Rules { skip: false, ..Rules::default() },
            tree: Tree::default(),
            trust: Trust::Protected,
        }
    }

    /// An engine over a handle of the store.
    pub fn engine(&self, store: &MemoryStore) -> Arc<Engine> {
        Arc::new(Engine {
            guests: self.host.clone().unwrap_or_else(|| Arc::new(self.guests.clone())),
            store: Arc::new(store.clone()),
            blobs: Arc::new(self.blobs.clone()),
            executor: Arc::new(self.executor.clone()),
            registries: Arc::new(OneRegistry(self.registry.clone())),
            http: self.http.clone(),
            secrets: Arc::new(self.secrets.clone()),
            source: Arc::new(self.source.clone()),
            cluster: self.cluster.clone(),
            clock: Arc::new(self.clock.clone()),
            observer: self.seen.clone(),
            trees: Trees::default(),
            rules: self.rules.clone(),
        })
    }

    /// Puts a file into the tree that runs start from.
    pub async fn file(&mut self, path: &str, text: &str) {
        let content = self.blobs.put(text.as_bytes().to_vec()).await.unwrap();
        self.tree.insert(WorkspacePath::new(path).unwrap(), Node::File { content, executable: false });
    }

    /// A stage whose plugin does what the script says.
    pub fn stage(
        &self,
        stage: &str,
        guest: impl for<'a> Fn(ScriptedHost<'a>) -> ScriptedLife<'a> + Send + Sync + 'static,
    ) -> (StageName, PlannedStage) {
        (name(stage), planned(self.guests.add(stage, guest)))
    }

    pub async fn create(
        &self,
        id: &str,
        stages: impl IntoIterator<Item = (StageName, PlannedStage)>,
    ) -> RunId {
        self.create_plan(id, self.plan(stages)).await
    }

    pub fn plan(&self, stages: impl IntoIterator<Item = (StageName, PlannedStage)>) -> Plan {
        let event = Event::push("main", "0123456789abcdef", self.trust);
        let plan = json!({
            "pipeline": "shop", "file": "stageway.yaml", "event": event, "vars": {},
            "parameters": {"colour": "blue"}, "timeout-ms": 24 * 3_600_000, "connections": "as-written", "stages": [],
            "ceiling": Ceiling::of(&Policy::single_machine(), self.trust),
        });
        Plan { stages: stages.into_iter().collect(), ..serde_json::from_value(plan).unwrap() }
    }

    pub async fn create_plan(&self, id: &str, plan: Plan) -> RunId {
        let run = RunId::new(id).unwrap();
        let at = self.clock.now_ms();
        let tree = self.blobs.put(self.tree.encode()).await.unwrap().digest;
        let events = vec![RunEvent::Created { at, plan: plan.digest(), tree }];
        let (pipeline, plan) = (plan.pipeline.clone(), serde_json::to_value(&plan).unwrap());
        let new = NewRun { id: run.clone(), pipeline, plan, at, events };
        self.store.reopen().create_run(&tenant(), new).await.unwrap();
        run
    }

    /// Takes the run and drives it over a handle of the store.
    pub async fn drive_on(&self, store: &MemoryStore, run: &RunId) -> Result<RunStatus, DriveError> {
        let now = self.clock.now_ms();
        let until = now + self.rules.lease_ms;
        let lease = store.lease(&tenant(), run, "test", now, until, true).await?.unwrap();
        let writer = Writer { tenant: tenant(), run: run.clone(), fence: lease.fence };
        drive(self.engine(store), writer, lease, None).await
    }

    /// Drives a run to its end.
    pub async fn drive(&self, run: &RunId) -> RunStatus {
        self.drive_on(&self.store.reopen(), run).await.unwrap()
    }

    /// Drives a run until `until` returns, and drops the engine there.
    pub async fn drive_until(&self, run: &RunId, until: impl Future<Output = ()>) {
        tokio::select! {
            ended = self.drive(run) => panic!("the run ended: {ended:?}"),
            () = until => {}
        }
        settle().await;
    }

    pub async fn state(&self, run: &RunId) -> RunState {
        let record = self.store.run(&tenant(), run).await.unwrap().unwrap();
        let stages: Vec<_> = record.plan["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| name(pair[0].as_str().unwrap()))
            .collect();
        RunState::fold(&stages, &record.events)
    }

    pub async fn events(&self, run: &RunId) -> Vec<RunEvent> {
        self.store.run(&tenant(), run).await.unwrap().unwrap().events
    }

    /// How a stage ended.
    pub async fn ended(&self, run: &RunId, stage: &str) -> Ended {
        self.state(run).await.stages[stage].ended().unwrap_or_else(|| panic!("{stage} has not ended")).clone()
    }

    /// The word and, for a failure, its code.
    pub async fn outcome(&self, run: &RunId, stage: &str) -> String {
        match self.ended(run, stage).await {
            Ended::Failed(failure) => format!("failed {}", failure.code),
            Ended::Errored(failure) => format!("errored {}", failure.code),
            other => other.as_str().to_owned(),
        }
    }

    pub async fn outputs(&self, run: &RunId, stage: &str) -> Json {
        let ended = self.ended(run, stage).await;
        json!(ended.outputs().unwrap_or_else(|| panic!("{stage} has no outputs: {ended:?}")))
    }

    pub async fn journal(&self, run: &RunId, stage: &str, attempt: u32) -> Vec<Record> {
        self.store.journal(&tenant(), run, &name(stage), attempt).await.unwrap()
    }

    pub async fn lines(&self, run: &RunId) -> Vec<StoredLine> {
        self.store.lines(&tenant(), run, None, 0, 1_000_000).await.unwrap()
    }

    pub async fn cancel(&self, run: &RunId) {
        let at = self.clock.now_ms();
        self.store.request_cancel(&tenant(), run, "ada", "enough", at).await.unwrap();
    }

    pub async fn answer(&self, run: &RunId, stage: &str, approved: bool) {
        let answer = ApprovalAnswer {
            approved,
            by: "ada".into(),
            reason: String::new(),
            at: self.clock.now_ms(),
            to: None,
        };
        self.store.answer(&tenant(), run, &name(stage), answer).await.unwrap();
    }

    /// Returns when the run is as `is` wants it, looking whenever something is written.
    pub async fn when(&self, run: &RunId, is: impl Fn(&RunState) -> bool) {
        let mut seen = 0;
        while !is(&self.state(run).await) {
            seen = self.store.changed(&tenant(), seen, Duration::from_secs(3600)).await;
        }
    }

    pub fn now(&self) -> u64 {
        self.clock.now_ms() - START
    }
}

/// Lets everything that was dropped be gone.
pub async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

/// A stage of a component with everything at its default.
pub fn planned(component: Digest) -> PlannedStage {
    serde_json::from_value(json!({
        "uses": "acme/script@1",
        "plugin": {"name": "acme/script", "version": "1.0.0", "digest": component},
        "needs": [], "when": {"source": "success()", "decided": true, "asks-status": false, "mentions": []},
        "with": {}, "configuration": {}, "from": {}, "workspace": {"submodules": true}, "artifacts": {}, "services": [], "caches": {},
        "env": {}, "secrets": {}, "grants": everything(), "denied": [], "limits": {},
        "task-limits": stageway_core::task::TaskLimits::default(),
        "retry": {"attempts": 1, "on": ["errored"], "backoff": {"first-ms": 1000, "most-ms": 300_000}},
        "timeout-ms": 3_600_000, "uninterruptible": false, "finally": false, "outputs": {}, "skip": "allowed",
    }))
    .unwrap()
}

/// Every grant.
pub fn everything() -> Grants {
    serde_json::from_value(json!({
        "workspace": "write", "artifacts": "write", "source": "read", "tasks": {"images": ["reg/*"]}, "approvals": true,
        "images": {"reg/*": ["read", "push", "tag", "move"]}, "http": ["a.example"],
        "secrets": {"TOKEN": ["http:a.example", "task:toolbox"]}, "environments": ["production"],
        "cluster": {"none": {"namespaces": ["default"], "kinds": ["Pod"], "actions": ["read"]}},
    }))
    .unwrap()
}
