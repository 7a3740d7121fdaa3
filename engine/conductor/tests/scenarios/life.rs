//! A life of the chaos guest between adapters in memory, with engines that die.
//!
//! Who makes the calls is a [`Player`]: the script of the ports, or the component that does the same steps on the real host.

use crate::world::{World, name, planned, settle, tenant};
use serde_json::json;
use stageway_core::call::{Answer, Class, Content, Function, HostError, Http};
use stageway_core::digest::Digest;
use stageway_core::journal::Cursor;
use stageway_core::name::RunId;
use stageway_core::run::RunStatus;
use stageway_ports::memory::{
    Fault, HaltingGuests, ManualClock, MemoryHttp, MemoryStore, Step, chaos, steps, task_script,
};
use stageway_ports::{ApprovalAnswer, Blobs, Executor, Guests, HttpResponse, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const CALLS: usize = 200;

/// Who makes the calls.
#[derive(Clone)]
pub enum Player {
    /// The script.
    Script,
    /// A component that the host has prepared: the tests of the whole workspace have one.
    #[allow(dead_code)]
    Component(Arc<dyn Guests>, Digest),
}

/// Where an engine dies.
#[derive(Debug, Clone, Copy)]
pub enum Death {
    /// At this write of its own.
    Write(u64, Fault),
    /// Before this call of its guests.
    Call(u64),
}

impl Player {
    /// Its component, and what runs it.
    fn ready(&self, world: &World, seed: u64) -> (Digest, Arc<dyn Guests>) {
        match self {
            Self::Script => {
                let script: Arc<[Step]> = steps(seed, CALLS).into();
                let component = world.guests.add("chaos", move |host| {
                    let script = script.clone();
                    Box::pin(async move { chaos(host, &script).await })
                });
                (component, Arc::new(world.guests.clone()))
            }
            Self::Component(host, component) => (*component, host.clone()),
        }
    }
}

/// What a life left behind, a fact a line.
pub type Left = BTreeSet<String>;

pub struct Life {
    pub world: World,
    pub run: RunId,
    guests: HaltingGuests,
    /// Requests that may not be repeated, by path.
    posts: Arc<Mutex<BTreeMap<String, u32>>>,
    /// Entries whose intent was durable, and whose answer was not, when an engine died.
    doubts: BTreeSet<u32>,
}

impl Life {
    pub async fn new(player: &Player, seed: u64) -> Self {
        let collected = Digest::of(b"collected");
        let content = Content { digest: collected, size: 9 };
        let mut world = World::with_tasks(move |spec| task_script(spec, content));
        world.blobs.put(b"collected".to_vec()).await.unwrap();
        // It dies more often in a row than any engine should.
        world.rules.resume_cap = 1000;
        world.source.changed = vec!["src/a".into(), "src/b".into()];
        world.source.commits = vec![json!({"revision": "1", "message": "one"})];
        let posts = Arc::<Mutex<BTreeMap<String, u32>>>::default();
        world.http = Arc::new(receiver(posts.clone()));
        world.file("start/a", "first").await;
        world.file("start/b", "second").await;
        let image = stageway_ports::contract::registry::sample(&world.blobs, "chaos").await;
        stageway_ports::contract::registry::push(&*world.registry, "source", &world.blobs, &image).await;
        let (component, guests) = player.ready(&world, seed);
        let guests = HaltingGuests::new(guests);
        world.host = Some(Arc::new(guests.clone()));
        let mut planned = planned(component);
        planned.with = match player {
            Player::Script => json!({"image": image.digest}),
            Player::Component(..) => {
                json!({"seed": seed, "calls": CALLS, "image": image.digest, "url": "https://a.example"})
            }
        };
        planned.environment = Some("production".parse().unwrap());
        let run = world.create("chaos", [(name("chaos"), planned)]).await;
        Self { world, run, guests, posts, doubts: BTreeSet::new() }
    }

    /// One engine: none if it died.
    pub async fn engine(&mut self, death: Option<Death>) -> Option<RunStatus> {
        let store = self.world.store.reopen();
        let before = self.guests.calls();
        match death {
            Some(Death::Write(write, fault)) => store.fault_at(write, fault),
            Some(Death::Call(call)) => self.guests.halt_at(before + call),
            None => {}
        }
        let ended = tokio::select! {
            biased;
            ended = self.world.drive_on(&store, &self.run) => Some(ended.unwrap()),
            () = store.crashed() => None,
            () = self.guests.halted() => None,
            () = person(self.world.store.reopen(), &self.run, &self.world.clock) => None,
        };
        self.guests.halt_at(0);
        settle().await;
        if ended.is_none() {
            self.note_doubt().await;
        }
        ended
    }

    async fn journal(&self) -> Cursor {
        Cursor::new(self.world.journal(&self.run, "chaos", 1).await).unwrap()
    }

    /// Remembers what the next engine must answer with `in-doubt`.
    async fn note_doubt(&mut self) {
        let cursor = self.journal().await;
        let open = cursor.open_intent().filter(|intent| intent.call.class() == Class::Unkeyed);
        self.doubts.extend(open.map(|intent| intent.seq));
    }

    /// What is outside, after checks that need no other life.
    async fn left(&self) -> Left {
        self.check_requests().await;
        let world = &self.world;
        let mut left = Left::from([format!("outputs {}", world.outputs(&self.run, "chaos").await)]);
        left.extend(world.registry.state().iter().map(|(tag, digest)| format!("tag {tag} {digest}")));
        left.extend(
            world.registry.effects().iter().map(|(effect, times)| format!("{effect}, {times} times")),
        );
        left.extend(
            world.executor.starts().iter().map(|(task, times)| format!("task {task}, {times} times")),
        );
        left.extend(world.http.effects().iter().map(|key| format!("request {key}")));
        assert_eq!(world.executor.running(), [], "tasks outlive their attempt");
        assert_eq!(world.executor.sweep().await.unwrap(), [], "ended tasks are remembered");
        let releases = world.store.releases(&tenant(), &"production".parse().unwrap(), 1000).await.unwrap();
        left.extend(releases.iter().map(|r| format!("release {} {} {}", r.id, r.what, r.verdict)));
        let reports = world.store.reports(&tenant(), &self.run).await.unwrap();
        left.extend(reports.iter().map(|r| format!("report {} {} {}", r.seq, r.ordinal, r.body)));
        let asked = world.store.approvals(&tenant(), &self.run).await.unwrap();
        left.extend(asked.iter().map(|a| format!("question {} {}", a.seq, a.question)));
        for stored in world.lines(&self.run).await.iter().filter(|line| !line.struck) {
            let line = format!("line {:?} {}", stored.line.origin, stored.line.text);
            assert!(left.insert(line.clone()), "twice: {line}");
        }
        left
    }

    /// Each request that may not be repeated was sent at most once, and `in-doubt` was answered exactly where it must be.
    async fn check_requests(&self) {
        let posts = self.posts.lock().unwrap().clone();
        let mut doubted = BTreeSet::new();
        for entry in self.journal().await.entries() {
            let Function::Http(Http::Send(request)) = &entry.call else { continue };
            if request.class() != Class::Unkeyed {
                continue;
            }
            let sent = posts.get(&request.url).copied().unwrap_or(0);
            if in_doubt(&entry.answer) {
                doubted.insert(entry.seq);
                assert!(sent <= 1, "{} was sent {sent} times", request.url);
            } else {
                assert_eq!(sent, 1, "{} was answered", request.url);
            }
        }
        assert_eq!(doubted, self.doubts, "in doubt where intent and answer say so");
    }
}

fn in_doubt(answer: &Answer) -> bool {
    matches!(answer, Err(HostError::InDoubt(_)))
}

fn receiver(posts: Arc<Mutex<BTreeMap<String, u32>>>) -> MemoryHttp {
    MemoryHttp::new(move |request| {
        if request.method == "POST" {
            *posts.lock().unwrap().entry(request.url.clone()).or_default() += 1;
        }
        Ok(HttpResponse { status: 200, headers: vec![], body: request.url.clone().into_bytes() })
    })
}

/// Says yes to everything.
async fn person(store: MemoryStore, run: &RunId, clock: &ManualClock) {
    use stageway_ports::Clock as _;
    let mut seen = 0;
    loop {
        for open in store.approvals(&tenant(), run).await.unwrap() {
            if open.answer.is_none() {
                let answer = ApprovalAnswer {
                    approved: true,
                    by: "ada".into(),
                    reason: String::new(),
                    at: clock.now_ms(),
                    to: None,
                };
                store.answer(&tenant(), run, &open.stage, answer).await.unwrap();
            }
        }
        seen = store.changed(&tenant(), seen, Duration::from_secs(3600)).await;
    }
}

/// The life without a death: what it left, its writes and its calls.
pub async fn undisturbed(player: &Player, seed: u64) -> (Left, u64, u64) {
    let mut life = Life::new(player, seed).await;
    let store = life.world.store.reopen();
    let ended = tokio::select! {
        ended = life.world.drive_on(&store, &life.run) => ended.unwrap(),
        () = person(life.world.store.reopen(), &life.run, &life.world.clock) => RunStatus::Queued,
    };
    assert_eq!(ended, RunStatus::Succeeded, "{:?}", life.world.outcome(&life.run, "chaos").await);
    life.doubts.clear();
    (life.left().await, store.writes(), life.guests.calls())
}

/// A life with deaths; the last engine lives on. `death` learns how many engines in a row died without a new entry.
pub async fn disturbed(
    player: &Player,
    seed: u64,
    mut death: impl FnMut(u64) -> Option<Death>,
) -> (Life, u32) {
    let mut life = Life::new(player, seed).await;
    let (mut died, mut entries, mut fruitless) = (0, 0, 0);
    loop {
        let death = death(fruitless);
        if let Some(ended) = life.engine(death).await {
            let (end, cursor) = (life.world.ended(&life.run, "chaos").await, life.journal().await);
            let at = format!("{died} deaths, the last {death:?}, after {:?}", cursor.entries().last());
            assert_eq!(
                ended,
                RunStatus::Succeeded,
                "seed {seed}, {at}: {end:?}, open {:?}",
                cursor.open_intent()
            );
            return (life, died);
        }
        died += 1;
        assert!(died < 3000, "seed {seed} never ends");
        let last = life.journal().await.last();
        fruitless = if last > entries { 0 } else { fruitless + 1 };
        entries = last;
    }
}

/// Dies at the first write after `lived`, or at a later one where that came to nothing.
pub fn again_and_again(lived: u64, fault: Fault) -> impl FnMut(u64) -> Option<Death> {
    move |fruitless| Some(Death::Write(lived + 1 + fruitless, fault))
}

pub async fn compare(
    (player, seed): (&Player, u64),
    whole: &Left,
    what: &str,
    death: impl FnMut(u64) -> Option<Death>,
) -> u32 {
    let (life, died) = disturbed(player, seed, death).await;
    let left = life.left().await;
    let (lost, new) =
        (whole.difference(&left).collect::<Vec<_>>(), left.difference(whole).collect::<Vec<_>>());
    assert!(
        lost.is_empty() && new.is_empty(),
        "seed {seed}, {died} deaths, {what}: lost {lost:#?}, new {new:#?}"
    );
    died
}

/// One seed: some single places, and at every 25th seed all of its appends in one life.
async fn seed(player: &Player, seed: u64, points: u64) -> u32 {
    let (whole, writes, calls) = undisturbed(player, seed).await;
    // An engine's first writes are the lease, the lock, and the news that an attempt resumed: what follows is the attempt's own.
    let mut died = match seed % 50 {
        0 => {
            compare((player, seed), &whole, "after every append", again_and_again(3, Fault::CrashAfter)).await
        }
        10 => {
            compare(
                (player, seed),
                &whole,
                "before every other append",
                again_and_again(4, Fault::CrashBefore),
            )
            .await
        }
        _ => 0,
    };
    // Seen over all seeds, the places are spread evenly over the whole life.
    let place = |nth: u64, of: u64| (nth * 100 + seed * 37 % 100) * of / (points * 100);
    for nth in 0..points {
        let fault = if (nth + seed).is_multiple_of(2) { Fault::CrashBefore } else { Fault::CrashAfter };
        let write = Death::Write(2 + place(nth, writes - 1), fault);
        for death in [write, Death::Call(1 + place(nth, calls))] {
            let mut once = Some(death);
            died += compare((player, seed), &whole, &format!("{death:?}"), move |_| once.take()).await;
        }
    }
    died
}

/// Places of each kind for every seed; `CHAOS_POINTS` asks for more.
fn points() -> u64 {
    std::env::var("CHAOS_POINTS").map_or(1, |text| text.parse().expect("CHAOS_POINTS is a number"))
}

/// Lives of these seeds; answers how many engines died.
pub fn seeds(player: &Player, numbers: impl IntoIterator<Item = u64>) -> u32 {
    let mut died = 0;
    for number in numbers {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        died += runtime.block_on(seed(player, number, points()));
    }
    died
}
