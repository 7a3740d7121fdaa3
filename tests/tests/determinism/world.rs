//! An engine with the real host and every other port in memory, under a clock that moves only when everything waits.

use async_trait::async_trait;
use serde_json::{Value as Json, json};
use stageway_conductor::driver::{drive, load, subject};
use stageway_conductor::engine::{Blind, Engine, Registries, Rules};
use stageway_conductor::replay::{Replayed, replay};
use stageway_conductor::trees::Trees;
use stageway_core::digest::Digest;
use stageway_core::event::{Event, Trust};
use stageway_core::grant::Ceiling;
use stageway_core::journal::{Cursor, Record};
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_core::plan::Plan;
use stageway_core::policy::Policy;
use stageway_core::run::{RunEvent, RunStatus};
use stageway_core::workspace::Tree;
use stageway_ports::memory::{
    ManualClock, MemoryBlobs, MemoryExecutor, MemoryHttp, MemoryRegistry, MemorySecrets, MemorySource,
    MemoryStore, TaskScript,
};
use stageway_ports::{Blobs, Clock, Manifest, NewRun, Registry, Store, Writer};
use std::sync::Arc;

use crate::halting::Halting;

/// 2026-01-01T00:00:00.250Z.
const START: u64 = 1_767_225_600_250;
/// An index of nothing: an image as far as `find` is concerned.
const IMAGE: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
/// The repository that the guests look into; it has the tag `v0` and no other.
const REPOSITORY: &str = "app";

/// Everything that outlives an engine.
pub(crate) struct World {
    store: MemoryStore,
    pub(crate) guests: Arc<Halting>,
    blobs: MemoryBlobs,
    executor: MemoryExecutor,
    registry: Arc<MemoryRegistry>,
    clock: ManualClock,
    run: RunId,
}

/// What is left of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Past {
    pub(crate) journal: Vec<Record>,
    /// Those that were not struck out.
    pub(crate) lines: Vec<String>,
}

struct OneRegistry(Arc<MemoryRegistry>);

#[async_trait]
impl Registries for OneRegistry {
    async fn open(&self, _tenant: &TenantId, connection: &str) -> Option<Arc<dyn Registry>> {
        (connection == "images").then(|| self.0.clone() as Arc<dyn Registry>)
    }
}

fn tenant() -> TenantId {
    TenantId::local()
}

fn stage() -> StageName {
    StageName::new("look").expect("a name")
}

impl World {
    /// A world with one run of one stage, which is not driven yet.
    pub(crate) async fn new(guests: Arc<Halting>, component: Digest, run: &str, rounds: u32) -> Self {
        let run = RunId::new(run).expect("an id");
        let world = Self {
            store: MemoryStore::new(),
            guests,
            blobs: MemoryBlobs::new(),
            executor: MemoryExecutor::new(|_, _| TaskScript::exits(0)),
            registry: Arc::default(),
            clock: ManualClock::new(START),
            run,
        };
        let bytes = IMAGE.as_bytes().to_vec();
        let digest = Digest::of(&bytes);
        let manifest = Manifest { bytes, media_type: "application/vnd.oci.image.index.v1+json".into() };
        world.registry.push_manifest(REPOSITORY, &manifest).await.expect("a push");
        world.registry.tag(REPOSITORY, &digest, "v0", None).await.expect("a tag");
        world.create(component, rounds).await;
        world
    }

    async fn create(&self, component: Digest, rounds: u32) {
        let event = Event::push("main", "0123456789abcdef", Trust::Protected);
        let plan: Plan = serde_json::from_value(json!({
            "pipeline": "guests", "file": "stageway.yaml", "event": event, "vars": {}, "parameters": {},
            "timeout-ms": 24 * 3_600_000, "connections": "as-written", "stages": [[stage(), planned(component, rounds)]],
            "ceiling": Ceiling::of(&Policy::single_machine(), Trust::Protected),
        }))
        .expect("a plan");
        let tree = self.blobs.put(Tree::default().encode()).await.expect("a blob").digest;
        let at = self.clock.now_ms();
        let events = vec![RunEvent::Created { at, plan: plan.digest(), tree }];
        let (pipeline, plan) = (plan.pipeline.clone(), serde_json::to_value(&plan).expect("JSON"));
        let new = NewRun { id: self.run.clone(), pipeline, plan, at, events };
        self.store.create_run(&tenant(), new).await.expect("a run");
    }

    fn engine(&self, store: &MemoryStore) -> Arc<Engine> {
        let commit = |number: u32| json!({"revision": number.to_string(), "author": "ada", "at": 1, "title": "t", "message": "m"});
        let source = MemorySource {
            changed: vec!["a.txt".into(), "b/c.txt".into()],
            commits: (0..5).map(commit).collect(),
            ..MemorySource::default()
        };
        Arc::new(Engine {
            guests: self.guests.clone(),
            store: Arc::new(store.clone()),
            blobs: Arc::new(self.blobs.clone()),
            executor: Arc::new(self.executor.clone()),
            registries: Arc::new(OneRegistry(self.registry.clone())),
            http: Arc::new(MemoryHttp::default()),
            secrets: Arc::new(MemorySecrets::new([])),
            source: Arc::new(source),
            cluster: None,
            clock: Arc::new(self.clock.clone()),
            observer: Arc::new(Blind),
            trees: Trees::default(),
            rules: Rules { skip: false, ..Rules::default() },
        })
    }

    /// Drives the run to its end, as one engine does.
    pub(crate) async fn drive(&self) -> RunStatus {
        let store = self.store.reopen();
        let now = self.clock.now_ms();
        let lease = store.lease(&tenant(), &self.run, "test", now, now + 30_000, true).await;
        let lease = lease.expect("the store").expect("a lease");
        let writer = Writer { tenant: tenant(), run: self.run.clone(), fence: lease.fence };
        drive(self.engine(&store), writer, lease, None).await.expect("a run that can be driven")
    }

    /// What is durable of the attempt now.
    pub(crate) async fn past(&self) -> Past {
        let journal = self.store.journal(&tenant(), &self.run, &stage(), 1).await.expect("a journal");
        let lines = self.store.lines(&tenant(), &self.run, None, 0, 1_000_000).await.expect("lines");
        let lines = lines.into_iter().filter(|line| !line.struck).map(|line| line.line.text).collect();
        Past { journal, lines }
    }

    /// Replays the attempt from its journal alone.
    pub(crate) async fn replay(&self) -> Replayed {
        let engine = self.engine(&self.store);
        let loaded = load(&*engine.store, &tenant(), &self.run).await.expect("the run");
        let writer = Writer { tenant: tenant(), run: self.run.clone(), fence: 0 };
        let subject = subject(&engine, &writer, &loaded, &stage(), 1).await.expect("its subject");
        let cursor = Cursor::new(self.past().await.journal).expect("a journal");
        replay(&engine, &subject, cursor).await.expect("a replay")
    }
}

impl Past {
    /// What the stage answered.
    pub(crate) fn outputs(&self) -> &Json {
        match self.journal.last() {
            Some(Record::End(end)) => match &end.outcome {
                stageway_core::journal::Outcome::Ok(outputs) => outputs,
                other => panic!("{other:?}\n{:#?}", self.lines),
            },
            other => panic!("no end: {other:?}"),
        }
    }

    /// How many calls were journaled.
    pub(crate) fn entries(&self) -> u64 {
        self.journal.iter().filter(|record| matches!(record, Record::Entry(_))).count() as u64
    }
}

/// The stage: some rounds, and as much memory as fits into the usual limit beside the runtimes.
fn planned(component: Digest, rounds: u32) -> Json {
    json!({
        "uses": "guests/guest@1",
        "plugin": {"name": "guests/guest", "version": "1.0.0", "digest": component},
        "needs": [], "when": {"source": "success()", "decided": true, "asks-status": false, "mentions": []},
        "with": {"rounds": rounds, "mebibytes": 16, "milliseconds": 5, "repository": "images/app"}, "configuration": {},
        "from": {}, "workspace": {"submodules": true}, "artifacts": {}, "services": [], "caches": {},
        "env": {}, "secrets": {}, "grants": {"source": "read", "images": {"images/*": ["read"]}}, "denied": [], "limits": {},
        "task-limits": stageway_core::task::TaskLimits::default(),
        "retry": {"attempts": 1, "on": ["errored"], "backoff": {"first-ms": 1000, "most-ms": 300_000}},
        "timeout-ms": 3_600_000, "uninterruptible": false, "finally": false, "outputs": {}, "skip": "never",
    })
}
