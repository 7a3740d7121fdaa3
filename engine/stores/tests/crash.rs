//! A process that appends without end is killed at fifty random moments. Whatever it was answered is there afterwards, and
//! nothing half: each append writes one event, one record and one line, and they are always as many. What is large of a
//! record was in the blobs before.

#![allow(clippy::unwrap_used, clippy::panic)]

use sqlx::{ConnectOptions as _, Connection as _};
use stageway_core::call::{Clock, Function, LogLevel, Value};
use stageway_core::digest::Digest;
use stageway_core::journal::{Entry, Record};
use stageway_core::log::{Line, Origin};
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_core::run::RunEvent;
use stageway_ports::{Batch, Blobs as _, NewRun, RunFilter, Store as _, Writer};
use stageway_stores::{FsBlobs, SqliteStore};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const KILLS: usize = 50;
/// Each appends to a run of its own.
const APPENDERS: u32 = 3;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--append") => runtime.block_on(append_without_end(Path::new(&arguments[2]))),
        _ => runtime.block_on(kill_and_look()),
    }
}

fn stage() -> StageName {
    StageName::new("build").unwrap()
}

fn run_id(number: u32) -> RunId {
    RunId::new(format!("run-{number}")).unwrap()
}

/// Says `RUN VERSION` or `blob NUMBER` after each answer.
fn say(what: &str, number: u64) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what} {number}").unwrap();
    out.flush().unwrap();
}

async fn open(directory: &Path) -> SqliteStore {
    let blobs = Arc::new(FsBlobs::open(directory.join("blobs")).unwrap());
    SqliteStore::open(directory.join("db"), blobs).await.unwrap()
}

async fn append_without_end(directory: &Path) {
    let store = open(directory).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..APPENDERS {
        tasks.spawn(append(store.clone(), run_id(number)));
    }
    tasks.spawn(put(FsBlobs::open(directory.join("blobs")).unwrap()));
    tasks.join_next().await.unwrap().unwrap();
}

async fn append(store: SqliteStore, run: RunId) {
    let (tenant, pipeline) = (TenantId::local(), PipelineName::new("shop").unwrap());
    let new = NewRun { id: run.clone(), pipeline, plan: serde_json::json!({}), at: 1, events: vec![] };
    store.create_run(&tenant, new).await.unwrap();
    let lease = store.lease(&tenant, &run, "child", 1, 2, true).await.unwrap().unwrap();
    let mut version = store.run(&tenant, &run).await.unwrap().unwrap().version;
    let writer = Writer { tenant, run, fence: lease.fence };
    loop {
        version = store.append(&writer, batch(version)).await.unwrap();
        say(writer.run.as_str(), version);
    }
}

/// Every seventh is so large that it lies in the blobs.
fn answer(number: u32) -> Value {
    if number.is_multiple_of(7) { Value::Text(number.to_string().repeat(5_000)) } else { Value::Done }
}

fn batch(version: u64) -> Batch {
    let (number, at) = (version as u32 + 1, version);
    let call = Function::Clock(Clock::Sleep { milliseconds: number });
    let entry = Entry { seq: number, at, call, answer: Ok(answer(number)) };
    let line = Line {
        stage: Some(stage()),
        attempt: 1,
        at,
        level: LogLevel::Info,
        origin: Origin::Plugin { seq: number, ordinal: 0 },
        text: "x".repeat(number as usize % 3_000),
    };
    Batch {
        expected: version,
        events: vec![RunEvent::AttemptParked { at, stage: stage(), attempt: number, why: "crash".into() }],
        records: vec![(stage(), 1, Record::Entry(Box::new(entry)))],
        lines: vec![line],
        ..Batch::default()
    }
}

fn blob(number: u64) -> Vec<u8> {
    format!("blob {number}").into_bytes().repeat(1 + number as usize % 20_000)
}

async fn put(blobs: FsBlobs) {
    // Another start of the process has other blobs.
    let first = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    for number in first.. {
        blobs.put(blob(number)).await.unwrap();
        say("blob", number);
    }
}

async fn kill_and_look() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
    println!("crash: seed {random}");
    let mut told = BTreeMap::new();
    let mut put = Vec::new();
    for kill in 0..KILLS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let delay = Duration::from_micros((random >> 33) % 200_000);
        for line in run_and_kill(directory.path(), delay) {
            let (what, number) = line.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            match what {
                "blob" => put.push(number),
                run => drop(told.insert(run.to_owned(), number)),
            }
        }
        look_at_runs(directory.path(), &told, kill).await;
    }
    look_at_blobs(directory.path(), &put).await;
    check_integrity(&directory.path().join("db")).await;
    let appends: u64 = told.values().sum();
    assert!(appends > KILLS as u64 && put.len() > KILLS, "{appends} appends, {} blobs", put.len());
    println!("crash: {KILLS} kills, {appends} appends and {} blobs acknowledged, all there", put.len());
}

/// What the process said before it was killed, whole lines only.
fn run_and_kill(directory: &Path, delay: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--append")
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let rest = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut out, &mut text).unwrap();
        text
    });
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
    let text = first + &rest.join().unwrap();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    text[..whole].lines().map(str::to_owned).collect()
}

async fn look_at_runs(directory: &Path, told: &BTreeMap<String, u64>, kill: usize) {
    let store = open(directory).await;
    let tenant = TenantId::local();
    let filter = RunFilter { max: 100, ..RunFilter::default() };
    for run in store.runs(&tenant, &filter).await.unwrap() {
        let acknowledged = told.get(run.id.as_str()).copied().unwrap_or(0);
        let record = store.run(&tenant, &run.id).await.unwrap().unwrap();
        let version = record.version;
        let context = format!("{} after kill {kill}: {version}, acknowledged {acknowledged}", run.id);
        assert!(version >= acknowledged, "{context}");
        assert_eq!(record.events.len() as u64, version, "{context}");
        let journal = store.journal(&tenant, &run.id, &stage(), 1).await.unwrap();
        let expected: Vec<u32> = (1..=version as u32).collect();
        assert_eq!(journal.iter().map(Record::seq).collect::<Vec<_>>(), expected, "{context}");
        let whole =
            |record: &Record| matches!(record, Record::Entry(entry) if entry.answer == Ok(answer(entry.seq)));
        assert!(journal.iter().all(whole), "{context}");
        let lines = store.lines(&tenant, &run.id, None, 0, u32::MAX).await.unwrap();
        let texts: Vec<_> = lines.iter().map(|line| (line.number, line.line.text.len())).collect();
        let expected: Vec<_> = (1..=version).map(|number| (number, number as usize % 3_000)).collect();
        assert_eq!(texts, expected, "{context}");
    }
    store.close().await;
}

async fn look_at_blobs(directory: &Path, put: &[u64]) {
    let blobs = FsBlobs::open(directory.join("blobs")).unwrap();
    for number in put {
        let bytes = blob(*number);
        let found = blobs.get(&Digest::of(&bytes), u64::MAX).await.unwrap();
        assert!(found == bytes, "blob {number}");
    }
    let mut whole = 0;
    for directory in std::fs::read_dir(directory.join("blobs/sha256")).unwrap() {
        for file in std::fs::read_dir(directory.unwrap().path()).unwrap() {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            if !name.contains('#') {
                assert_eq!(Digest::of(&std::fs::read(file.path()).unwrap()).hex(), name);
                whole += 1;
            }
        }
    }
    assert!(whole >= put.len());
}

async fn check_integrity(path: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let verdict: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(verdict, "ok");
    connection.close().await.unwrap();
}
