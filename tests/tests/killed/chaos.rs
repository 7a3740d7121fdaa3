//! The chaos guest on the shipped binary: real tasks, a real store, a real registry on disk and a server that counts, and an
//! engine that is killed by SIGKILL again and again. What is outside at the end must be what it is without a death.
//!
//! `CHAOS_KILLS=2000` looks closer, `CHAOS_FIRST=17` begins with another seed; a seed decides the calls and the points.
//! Seeds whose endless tasks fill the machine are left out.

use serde_json::Value as Json;
use stageway_core::call::{Answer, Class, Function, HostError, Http, Tasks};
use stageway_core::journal::{Cursor, Record};
use stageway_core::log::Origin;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_ports::contract::registry::{push, sample};
use stageway_ports::memory::{MemoryBlobs, Step, steps};
use stageway_ports::{Registry, RunFilter, RunSummary, Store};
use stageway_remotes::registry::LayoutRegistry;
use stageway_stores::{FsBlobs, SqliteStore};
use stageway_tests::killing::{Counts, Kill, Lived, random};
use stageway_tests::loopback::Receiver;
use stageway_tests::processes::until;
use stageway_tests::{Installation, committed, tree};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const CALLS: u64 = 200;
/// Deaths of one life, as planned.
const DEATHS: u64 = 12;
/// Lives at the same time.
const TOGETHER: usize = 2;
/// Tasks that run at once on the smallest machine; more of a state directory wait for their place.
const PLACES: usize = 4;

const PIPELINE: &str = r#"
pipeline: chaos
on: { push: { branches: [main] } }
parameters:
  colour: { type: string, default: blue }
  seed: { type: int }
  url: { type: string }
stages:
  chaos:
    uses: test/chaos@1
    environment: production
    caches: { count: /count }
    with: { seed: "${{ parameters.seed }}", calls: CALLS, image: IMAGE, url: "${{ parameters.url }}", pace: 100 }
    grants:
      workspace: write
      artifacts: write
      source: read
      tasks: true
      approvals: true
      http: ["AUTHORITY"]
      images: { "reg/*": [read, push, tag, move] }
      environments: [production]
      secrets: [TOKEN]
      cluster: { none: { namespaces: [default], kinds: [Pod], actions: [read] } }
"#;
const QUICK: &str =
    "#!/bin/sh\necho $2 >> /count/starts\necho one\necho two\necho collected > out-$2\nexit $1\n";
const ENDLESS: &str = "#!/bin/sh\necho $1 >> /count/starts\necho goes on\nexec sleep 600\n";

/// A cluster that has a name and does not answer, in the same words in every life.
const UNREACHED: &str = "clusters: { none: { kubeconfig: /nonexistent/kubeconfig } }\n";

/// What all lives share.
struct World {
    tree: TempDir,
    /// A layout with the image that the guest copies.
    images: TempDir,
    receiver: Receiver,
    /// Everything is compiled there.
    warm: Installation,
}

impl World {
    fn new() -> Self {
        let (images, receiver) = (tempfile::tempdir().unwrap(), Receiver::start());
        let image = Runtime::new().unwrap().block_on(async {
            let blobs = MemoryBlobs::new();
            let image = sample(&blobs, "chaos").await;
            push(&LayoutRegistry::new(images.path()), "source", &blobs, &image).await;
            image.digest.to_string()
        });
        let pipeline = PIPELINE.replace("CALLS", &CALLS.to_string()).replace("IMAGE", &image);
        let pipeline = pipeline.replace("AUTHORITY", &receiver.authority());
        let files = [
            ("stageway.yaml", &*pipeline),
            ("quick", QUICK),
            ("endless", ENDLESS),
            ("start/a", "first"),
            ("start/b", "second"),
        ];
        let tree = tree(&files);
        committed(tree.path());
        let warm = Installation::of_guests();
        // What a plan has compiled, no life compiles again.
        let url = format!("url=http://{}/plan", receiver.authority());
        let config = warm.state().join("config.yaml");
        std::fs::write(&config, UNREACHED).unwrap();
        let config = config.display().to_string();
        let planned =
            warm.output(tree.path(), &["plan", "--config", &config, "--param", "seed=0", "--param", &url]);
        assert!(planned.status.success(), "{planned:?}");
        Self { tree, images, receiver, warm }
    }
}

/// One run with a state of its own.
struct Life<'a> {
    world: &'a World,
    seed: u64,
    installation: Installation,
    /// Below it lie all of its requests.
    url: String,
    prefix: String,
    runtime: Runtime,
    doubts: BTreeSet<u32>,
    killed: Vec<Kill>,
}

/// What a life left behind, a fact a line.
type Left = BTreeSet<String>;

impl<'a> Life<'a> {
    fn new(world: &'a World, seed: u64, installation: Installation) -> Self {
        static LIVES: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("/{}/", LIVES.fetch_add(1, Ordering::SeqCst));
        let url = format!("http://{}{}", world.receiver.authority(), prefix.trim_end_matches('/'));
        let images = installation.state().join("images");
        std::fs::create_dir_all(&images).unwrap();
        let copied =
            Command::new("cp").arg("-r").arg(world.images.path()).arg(images.join("reg")).status().unwrap();
        assert!(copied.success());
        let opened = format!("egress: {{ allow: [\"{}\"] }}\n{UNREACHED}", world.receiver.authority());
        std::fs::write(installation.state().join("config.yaml"), opened).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (doubts, killed) = (BTreeSet::new(), Vec::new());
        Self { world, seed, installation, url, prefix, runtime, doubts, killed }
    }

    /// One engine, from wherever the run is. It is `None` if the engine was killed.
    fn engine(&mut self, kill: Option<Kill>) -> Option<Counts> {
        self.answer();
        let config = self.installation.state().join("config.yaml").display().to_string();
        let (seed, url) = (format!("seed={}", self.seed), format!("url={}", self.url));
        let run = ["run", "--json", "--config", &config, "--param", &seed, "--param", &url];
        let arguments =
            if self.run().is_some() { &["resume", "--json", "--config", &config][..] } else { &run };
        let asks = |event: &Json| event["event"]["why"] == "for an approval";
        let lived = self.installation.live(self.world.tree.path(), arguments, kill, |event| {
            if asks(event) {
                self.answer();
            }
        });
        match lived {
            Lived::Killed => {
                self.killed.extend(kill);
                self.note_doubt();
                None
            }
            Lived::Ended(told, counts) => {
                assert_eq!(told.exit, 0, "{}: {told:#?}", self.in_words());
                Some(counts)
            }
        }
    }

    fn in_words(&self) -> String {
        format!("seed {}, killed at {:?}", self.seed, self.killed)
    }

    /// What the store says, read from a copy, so that the next engine finds what the dead one left.
    fn store<T>(&self, read: impl AsyncFnOnce(&SqliteStore, &TenantId) -> T) -> Option<T> {
        let copy = tempfile::tempdir().unwrap();
        for file in ["stageway.db", "stageway.db-wal"] {
            let copied = std::fs::copy(self.installation.state().join(file), copy.path().join(file));
            if copied.is_err() && file == "stageway.db" {
                return None;
            }
        }
        self.runtime.block_on(async {
            let blobs = FsBlobs::open(self.installation.state().join("blobs")).unwrap();
            let store = SqliteStore::open(copy.path().join("stageway.db"), Arc::new(blobs)).await.unwrap();
            let read = read(&store, &TenantId::local()).await;
            store.close().await;
            Some(read)
        })
    }

    fn run(&self) -> Option<RunSummary> {
        let newest = RunFilter { max: 1, ..RunFilter::default() };
        self.store(async |store, tenant| store.runs(tenant, &newest).await.unwrap().pop())?
    }

    fn id(&self) -> RunId {
        self.run().expect("a run").id
    }

    /// Says yes to what is asked.
    fn answer(&self) {
        let Some(run) = self.run() else { return };
        let open = self.store(async |store, tenant| store.approvals(tenant, &run.id).await.unwrap());
        if open.unwrap().iter().any(|question| question.answer.is_none()) {
            let said = self.installation.output(self.world.tree.path(), &["approve", "latest", "chaos"]);
            assert!(said.status.success(), "{}: {said:?}", self.in_words());
        }
    }

    fn journal(&self) -> Vec<Record> {
        let (id, stage) = (self.id(), StageName::new("chaos").unwrap());
        self.store(async |store, tenant| store.journal(tenant, &id, &stage, 1).await.unwrap()).unwrap()
    }

    /// Remembers what the next engine must answer with `in-doubt`.
    fn note_doubt(&mut self) {
        if self.run().is_none() {
            return;
        }
        let cursor = Cursor::new(self.journal()).unwrap();
        let open = cursor.open_intent().filter(|intent| intent.call.class() == Class::Unkeyed);
        self.doubts.extend(open.map(|intent| intent.seq));
    }

    /// Everything outside, after checks that need no other life.
    fn left(&self) -> Left {
        let outputs = self.outputs();
        let told = outputs["told"].as_array().unwrap().iter().enumerate();
        let mut left: Left = told.map(|(number, told)| format!("step {number}: {told}")).collect();
        left.insert(format!("tasks that ended: {}", outputs["ended"]));
        self.left_in_the_store(&mut left, &outputs);
        self.left_in_the_registry(&mut left);
        self.left_by_requests(&mut left);
        self.check_tasks(&outputs);
        left
    }

    fn outputs(&self) -> Json {
        let said = self.installation.output(self.world.tree.path(), &["show", "latest", "--json"]);
        let said: Json = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!(said["status"], "succeeded", "{}: {said:#}", self.in_words());
        said["stages"]["chaos"]["outputs"].clone()
    }

    fn left_in_the_store(&self, left: &mut Left, outputs: &Json) {
        let (id, environment) = (self.id(), "production".parse().unwrap());
        let facts = self.store(async |store, tenant| {
            let mut facts = Vec::new();
            let releases = store.releases(tenant, &environment, 1000).await.unwrap();
            facts.extend(
                releases.iter().enumerate().map(|(n, r)| format!("release {n} {} {}", r.what, r.verdict)),
            );
            let reports = store.reports(tenant, &id).await.unwrap();
            facts.extend(reports.iter().map(|r| format!("report {} {} {}", r.seq, r.ordinal, r.body)));
            let asked = store.approvals(tenant, &id).await.unwrap();
            facts.extend(
                asked.iter().map(|a| format!("question {} {} {}", a.seq, a.question, a.answer.is_some())),
            );
            let lines = store.lines(tenant, &id, None, 0, 1_000_000).await.unwrap();
            for stored in lines.into_iter().filter(|line| !line.struck) {
                match stored.line.origin {
                    Origin::Task { task, cursor } => {
                        let seq = task.as_str().rsplit('.').next().unwrap_or_default();
                        facts.push(format!("line of task {seq} at {cursor}: {}", stored.line.text));
                    }
                    origin => facts.push(format!("line {origin:?} {}", stored.line.text)),
                }
            }
            facts
        });
        let unended = self.unended(outputs);
        for fact in facts.unwrap() {
            assert!(left.insert(fact.clone()), "{}: twice: {fact}", self.in_words());
        }
        // How far a task came that nobody waited for, is nobody's choice.
        left.retain(|fact| !unended.iter().any(|seq| fact.starts_with(&format!("line of task {seq} "))));
    }

    /// The tasks that the guest started: the entry, the number, and whether it goes on until it is cancelled.
    fn started(&self) -> Vec<(u32, String, bool)> {
        let journal = Cursor::new(self.journal()).unwrap();
        let started = journal.entries().filter_map(|entry| match &entry.call {
            Function::Tasks(Tasks::Start { name, command }) => {
                let number = name.trim_start_matches("task-").to_owned();
                Some((entry.seq, number, command.arguments[0] == "./endless"))
            }
            _ => None,
        });
        started.collect()
    }

    /// Entries that started tasks whose ending the guest did not ask for, or that go on until they are cancelled.
    fn unended(&self, outputs: &Json) -> BTreeSet<u32> {
        let ended: BTreeSet<String> =
            outputs["ended"].as_array().unwrap().iter().map(Json::to_string).collect();
        let open =
            self.started().into_iter().filter(|(_, number, endless)| *endless || !ended.contains(number));
        open.map(|(seq, ..)| seq).collect()
    }

    fn left_in_the_registry(&self, left: &mut Left) {
        let registry = LayoutRegistry::new(self.installation.state().join("images/reg"));
        let tags = self.runtime.block_on(async {
            let mut found = Vec::new();
            for tag in registry.tags("target", None, 10_000).await.unwrap_or_default() {
                let digest = registry.find("target", &tag).await.unwrap().unwrap().digest;
                found.push(format!("tag {tag} {digest}"));
            }
            found
        });
        left.extend(tags);
    }

    /// Each repeatable request came under one key, each other at most once, and `in-doubt` was told exactly where it must be.
    fn left_by_requests(&self, left: &mut Left) {
        let mut received = BTreeMap::new();
        for ((method, path), keys) in self.world.receiver.received() {
            let Some(rest) = path.strip_prefix(&self.prefix) else { continue };
            if method == "PUT" {
                let distinct: BTreeSet<_> = keys.iter().collect();
                assert_eq!(distinct.len(), 1, "{}: {path} under {distinct:?}", self.in_words());
                assert!(distinct.iter().all(|key| key.is_some()), "{path} without a key");
                left.insert(format!("request {rest}"));
            }
            received.insert((method, rest.to_owned()), keys.len());
        }
        let mut doubted = BTreeSet::new();
        for entry in Cursor::new(self.journal()).unwrap().entries() {
            let Function::Http(Http::Send(request)) = &entry.call else { continue };
            if request.class() != Class::Unkeyed {
                continue;
            }
            let path = request.url[self.url.len() + 1..].to_owned();
            let sent = received.get(&("POST".to_owned(), path.clone())).copied().unwrap_or(0);
            if in_doubt(&entry.answer) {
                doubted.insert(entry.seq);
                assert!(sent <= 1, "{}: {path} was sent {sent} times", self.in_words());
            } else {
                assert_eq!(sent, 1, "{}: {path} was answered", self.in_words());
            }
        }
        assert_eq!(doubted, self.doubts, "{}: in doubt where intent and answer say so", self.in_words());
    }

    /// Tasks started once, and nothing of them is left.
    fn check_tasks(&self, outputs: &Json) {
        let mut starts = BTreeMap::<String, u32>::new();
        for number in self.installation.counted("starts") {
            *starts.entry(number).or_default() += 1;
        }
        let twice: Vec<_> = starts.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{}: started twice: {twice:?}", self.in_words());
        // Whether a task that is cancelled at once comes to its first command is nobody's choice.
        let unended = self.unended(outputs);
        let ended = self.started().into_iter().filter(|(seq, ..)| !unended.contains(seq));
        let never: Vec<_> = ended.filter(|(_, number, _)| !starts.contains_key(number)).collect();
        assert!(never.is_empty(), "{}: ended, but never started: {never:?}", self.in_words());
        until("the tasks are gone", || self.installation.tasks_running().is_empty());
    }
}

fn in_doubt(answer: &Answer) -> bool {
    matches!(answer, Err(HostError::InDoubt(_)))
}

/// A life without a death and one with many, compared; answers how many.
fn seed(world: &World, seed: u64) -> u64 {
    let mut whole = Life::new(world, seed, world.warm.warm());
    let counts = whole.engine(None).expect("nobody kills it");
    let whole = whole.left();
    let mut life = Life::new(world, seed, world.warm.warm());
    let (mut state, mut entries, mut fruitless) = (seed, None, 0);
    loop {
        // Seen over all seeds, the points lie everywhere. An engine that comes to nothing gives the next one more time: five in a
        // row would end the attempt.
        let more = fruitless * counts.points / 4;
        let kill = Kill::Point(1 + random(&mut state) % (2 * counts.points / DEATHS) + more);
        let kill = (life.killed.len() < 4 * DEATHS as usize).then_some(kill);
        if life.engine(kill).is_some() || life.run().is_some_and(|run| run.status.is_final()) {
            break;
        }
        let last = if life.run().is_some() { life.journal().iter().map(Record::seq).max() } else { None };
        fruitless = if last > entries { 0 } else { fruitless + 1 };
        entries = last;
    }
    let left = life.left();
    let lost: Vec<_> = whole.difference(&left).collect();
    let new: Vec<_> = left.difference(&whole).collect();
    assert!(lost.is_empty() && new.is_empty(), "{}: lost {lost:#?}, new {new:#?}", life.in_words());
    println!("{} of {counts:?}, {} in doubt", life.in_words(), life.doubts.len());
    life.killed.len() as u64
}

/// Whether tasks that go on until they are cancelled take every place at some time, so that another one would wait for ever.
fn is_crowded(seed: u64) -> bool {
    let mut open = BTreeSet::new();
    steps(seed, CALLS as usize).into_iter().any(|step| {
        match step {
            Step::Start { task, endless: true } => open.insert(task),
            Step::Cancel { task } => open.remove(&task),
            _ => false,
        };
        open.len() >= PLACES
    })
}

fn variable(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn what_is_outside_is_the_same_after_two_hundred_kills() {
    let world = World::new();
    let (next, wanted) = (AtomicU64::new(variable("CHAOS_FIRST", 0)), variable("CHAOS_KILLS", 200));
    let killed = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                while *killed.lock().unwrap() < wanted {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let died = if is_crowded(number) { 0 } else { seed(&world, number) };
                    *killed.lock().unwrap() += died;
                }
            });
        }
    });
    println!("{} kills", killed.lock().unwrap());
}
