//! A process that appends without end is killed at fifty random moments. Whatever it was answered is there afterwards, and
//! nothing half. What is large of a record was in the blobs before.

#![allow(clippy::unwrap_used, clippy::panic)]

mod writers;

use stageway_core::digest::Digest;
use stageway_ports::Blobs as _;
use stageway_stores::{FsBlobs, SqliteStore};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use writers::{APPENDERS, Appending, Random, append_without_end, look_at_runs, say};

const KILLS: usize = 50;
/// A process is killed after at most so many answers of each kind, and a moment later.
const MOST_ANSWERS: u64 = 30;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--append") => runtime.block_on(write_without_end(Path::new(&arguments[2]))),
        _ => runtime.block_on(kill_and_look()),
    }
}

async fn open(directory: &Path) -> SqliteStore {
    let blobs = Arc::new(FsBlobs::open(directory.join("blobs")).unwrap());
    SqliteStore::open(directory.join("db"), blobs).await.unwrap()
}

async fn write_without_end(directory: &Path) {
    let store = open(directory).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..APPENDERS {
        tasks.spawn(append_without_end(store.clone(), number));
    }
    tasks.spawn(put(FsBlobs::open(directory.join("blobs")).unwrap()));
    tasks.join_next().await.unwrap().unwrap();
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
    let mut random = Random::seeded("crash");
    let mut told = BTreeMap::new();
    let mut put = Vec::new();
    for kill in 0..KILLS {
        let appending = Appending::start(&[directory.path().to_str().unwrap()]);
        let answers = 1 + random.below(MOST_ANSWERS) as usize;
        let mut said = appending.until(|said| {
            let blobs = said.iter().filter(|(what, _)| what == "blob").count();
            blobs >= answers && said.len() - blobs >= answers
        });
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        said.extend(appending.kill());
        for (what, number) in said {
            match what.as_str() {
                "blob" => put.push(number),
                _ => drop(told.insert(what, number)),
            }
        }
        let store = open(directory.path()).await;
        look_at_runs(&store, &told, &format!("kill {kill}")).await;
        store.close().await;
    }
    look_at_blobs(directory.path(), &put).await;
    check_integrity(&directory.path().join("db"));
    let appends: u64 = told.values().sum();
    assert!(appends > KILLS as u64 && put.len() > KILLS, "{appends} appends, {} blobs", put.len());
    println!("crash: {KILLS} kills, {appends} appends and {} blobs acknowledged, all there", put.len());
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

fn check_integrity(path: &Path) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let verdict = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    assert_eq!(verdict, Ok("ok".to_owned()));
}
