//! How much the stores of this machine carry: `cargo run -p stageway-stores --example throughput [DIRECTORY]`, SQLite and, where
//! it is installed, PostgreSQL, by turns on the same disk.
//!
//! Every append is one event and one record, flushed to the disk before it is answered.

#![allow(clippy::unwrap_used)]

use stageway_core::call::{Clock, Function, Value};
use stageway_core::journal::{Entry, Record};
use stageway_core::log::{Line, Origin};
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_core::run::RunEvent;
use stageway_ports::{Batch, Blobs, NewRun, RunFilter, Store, Writer};
use stageway_stores::testing::PostgresServer;
use stageway_stores::{FsBlobs, PostgresStore, SqliteStore};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = std::env::args().nth(1).map_or(temporary.path().to_owned(), Into::into);
    let beside: Arc<dyn Blobs> = Arc::new(FsBlobs::open(directory.join("blobs")).unwrap());
    flushes(&directory);
    println!("SQLite");
    let open = || SqliteStore::open(directory.join("db"), Arc::clone(&beside));
    let store = open().await.unwrap();
    measure(&store, &open().await.unwrap()).await;
    store.close().await;
    let bytes = std::fs::metadata(directory.join("db")).unwrap().len();
    println!("database {:.1} MB", bytes as f64 / 1e6);
    println!("PostgreSQL");
    let server = PostgresServer::start(true);
    let url = server.database().await;
    let connect = || PostgresStore::connect(PostgresServer::options(&url), Arc::clone(&beside));
    measure(&connect().await.unwrap(), &connect().await.unwrap()).await;
    println!("blobs");
    blobs(&directory).await;
    println!("resident memory {}", resident());
}

/// Two handles stand for two processes.
async fn measure(store: &(impl Store + Clone + 'static), other: &(impl Store + Clone + 'static)) {
    appends(store, 1, 1_000).await;
    appends(store, 8, 200).await;
    two_handles(store, other).await;
    lines(store).await;
    wakes(store, other).await;
    many_runs(store).await;
}

fn rate(what: &str, count: u32, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} a second, {:.3} ms each",
        f64::from(count) / seconds,
        seconds * 1e3 / f64::from(count)
    );
}

/// What the disk can do at all: a small write and its flush.
fn flushes(directory: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(directory.join("flush")).unwrap();
    let begun = Instant::now();
    for _ in 0..200 {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
    }
    rate("flushes of 4 KiB", 200, begun);
}

fn new_run(id: &str) -> NewRun {
    let (id, pipeline) = (RunId::new(id).unwrap(), PipelineName::new("shop").unwrap());
    NewRun { id, pipeline, plan: serde_json::json!({"stages": {}}), at: 1, events: vec![] }
}

async fn writer(store: &impl Store, id: &str) -> Writer {
    let tenant = TenantId::local();
    store.create_run(&tenant, new_run(id)).await.unwrap();
    let run = RunId::new(id).unwrap();
    let lease = store.lease(&tenant, &run, "example", 1, 2, true).await.unwrap().unwrap();
    Writer { tenant, run, fence: lease.fence }
}

fn batch(version: u64) -> Batch {
    let (stage, seq, at) = (StageName::new("build").unwrap(), version as u32 + 1, version);
    let call = Function::Clock(Clock::Sleep { milliseconds: seq });
    let entry = Record::Entry(Box::new(Entry { seq, at, call, answer: Ok(Value::Done) }));
    Batch {
        expected: version,
        events: vec![RunEvent::AttemptStarted { at, stage: stage.clone(), attempt: 1 }],
        records: vec![(stage, 1, entry)],
        ..Batch::default()
    }
}

async fn append_many(store: impl Store, id: String, count: u32) {
    let writer = writer(&store, &id).await;
    for version in 0..u64::from(count) {
        store.append(&writer, batch(version)).await.unwrap();
    }
}

async fn appends(store: &(impl Store + Clone + 'static), runs: u32, count: u32) {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for run in 0..runs {
        tasks.spawn(append_many(store.clone(), format!("append-{runs}-{run}"), count));
    }
    tasks.join_all().await;
    rate(&format!("appends, {runs} runs at once"), runs * count, begun);
}

async fn two_handles(store: &(impl Store + Clone + 'static), other: &(impl Store + Clone + 'static)) {
    let begun = Instant::now();
    tokio::join!(
        append_many(store.clone(), "left".into(), 500),
        append_many(other.clone(), "right".into(), 500)
    );
    rate("appends, two handles as two processes", 1_000, begun);
}

async fn lines(store: &impl Store) {
    let writer = writer(store, "lines").await;
    let line = |number| Line {
        stage: Some(StageName::new("build").unwrap()),
        attempt: 1,
        at: 1,
        level: stageway_core::call::LogLevel::Info,
        origin: Origin::Engine { key: format!("{number}") },
        text: "a line of output as compilers write them, of about eighty bytes or a few more".into(),
    };
    let begun = Instant::now();
    for batch in 0..50 {
        let lines = (0..200).map(|number| line(batch * 200 + number)).collect();
        store.append(&writer, Batch { lines, ..Batch::default() }).await.unwrap();
    }
    rate("lines, 200 in an append", 10_000, begun);
    let begun = Instant::now();
    let found = store.lines(&writer.tenant, &writer.run, None, 5_000, 1_000).await.unwrap();
    assert_eq!(found.len(), 1_000);
    rate("lines read, 1000 in a page", 1_000, begun);
}

async fn wakes(store: &(impl Store + Clone + 'static), other: &(impl Store + Clone + 'static)) {
    let writer = writer(store, "wakes").await;
    for (what, waiting) in [("same", store as &dyn Store), ("another", other)] {
        let mut all = Vec::new();
        for version in 0..20 {
            let since = waiting.changed(&writer.tenant, u64::MAX, Duration::ZERO).await;
            let expected = store.run(&writer.tenant, &writer.run).await.unwrap().unwrap().version;
            let wait = waiting.changed(&writer.tenant, since, Duration::from_secs(9));
            let write = async {
                tokio::time::sleep(Duration::from_millis(7 + version % 50)).await;
                store.append(&writer, batch(expected)).await.unwrap();
                Instant::now()
            };
            let (woken, written) = tokio::join!(async { (wait.await, Instant::now()) }, write);
            all.push(woken.1.saturating_duration_since(written).as_secs_f64() * 1e3);
        }
        all.sort_by(f64::total_cmp);
        println!("wake on the {what} handle: median {:.1} ms, worst {:.1} ms", all[10], all[19]);
    }
}

async fn many_runs(store: &impl Store) {
    let tenant = TenantId::local();
    let begun = Instant::now();
    for number in 0..10_000 {
        store.create_run(&tenant, new_run(&format!("many-{number:05}"))).await.unwrap();
    }
    rate("runs made", 10_000, begun);
    let page = RunFilter { max: 50, ..RunFilter::default() };
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(store.runs(&tenant, &page).await.unwrap().len(), 50);
    }
    rate("lists of the newest 50 of 10,000 runs", 100, begun);
    let begun = Instant::now();
    let all = RunFilter { max: 20_000, ..RunFilter::default() };
    assert!(store.runs(&tenant, &all).await.unwrap().len() > 10_000);
    rate("lists of all 10,000 runs", 1, begun);
    let none = RunFilter { pipeline: Some(PipelineName::new("other").unwrap()), ..page };
    let begun = Instant::now();
    assert!(store.runs(&tenant, &none).await.unwrap().is_empty());
    rate("lists of a pipeline without runs", 1, begun);
}

async fn blobs(directory: &Path) {
    let blobs = FsBlobs::open(directory.join("blobs")).unwrap();
    let begun = Instant::now();
    for number in 0..200_u32 {
        blobs.put(number.to_le_bytes().repeat(1_024)).await.unwrap();
    }
    rate("blobs of 4 KiB put", 200, begun);
    let begun = Instant::now();
    for number in 0..200_u32 {
        blobs.put(number.to_le_bytes().repeat(1_024)).await.unwrap();
    }
    rate("blobs of 4 KiB put again", 200, begun);
    let path = directory.join("large");
    let bytes: Vec<u8> = (0..64_u32 << 18).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &bytes).unwrap();
    let begun = Instant::now();
    let content = blobs.put_file(&path).await.unwrap();
    println!("put_file of 64 MiB: {:.0} MB a second", 67.1 / begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    blobs.copy_to(&content.digest, &directory.join("copy")).await.unwrap();
    println!("copy_to of 64 MiB: {:.0} MB a second", 67.1 / begun.elapsed().as_secs_f64());
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("?").trim().to_owned();
    format!("{} (at most {})", field("VmRSS:"), field("VmHWM:"))
}
