//! A process that appends without end to PostgreSQL is killed at fifty random moments; at every fifth of them the server is
//! killed under it first, and started again. Whatever was answered is there afterwards, nothing is half, and the process goes
//! on with the server that came back.

#![allow(clippy::unwrap_used, clippy::panic)]

mod writers;

use stageway_stores::testing::PostgresServer;
use stageway_stores::{FsBlobs, PostgresStore};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use writers::{APPENDERS, Appending, Random, append_without_end, look_at_runs};

const KILLS: usize = 50;
const SERVER_KILLS: usize = 10;
/// From the restart of the server to the next append that is acknowledged.
const SOON: Duration = Duration::from_secs(10);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--append") => runtime.block_on(write_without_end(&arguments[2], Path::new(&arguments[3]))),
        _ => runtime.block_on(kill_and_look()),
    }
}

async fn connect(url: &str, blobs: &Path) -> PostgresStore {
    let blobs = Arc::new(FsBlobs::open(blobs).unwrap());
    PostgresStore::connect(PostgresServer::options(url), blobs).await.unwrap()
}

async fn write_without_end(url: &str, blobs: &Path) {
    let store = connect(url, blobs).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..APPENDERS {
        tasks.spawn(append_without_end(store.clone(), number));
    }
    tasks.join_next().await.unwrap().unwrap();
}

async fn kill_and_look() {
    let server = PostgresServer::start(true);
    let (url, blobs) = (server.database().await, tempfile::tempdir().unwrap());
    let mut random = Random::seeded("postgres_crash");
    let mut told = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    // One that lives through all restarts of the server, as another engine does.
    let witness = connect(&url, blobs.path()).await;
    for kill in 0..KILLS {
        let appending = Appending::start(&[&url, blobs.path().to_str().unwrap()]);
        let answers = 1 + random.below(30) as usize;
        told.extend(appending.until(|said| said.len() >= answers));
        std::thread::sleep(Duration::from_micros(random.below(5_000)));
        if kill % (KILLS / SERVER_KILLS) == 0 {
            slowest = slowest.max(kill_server(&server, &appending, &mut told));
            std::thread::sleep(Duration::from_micros(random.below(100_000)));
        }
        told.extend(appending.kill());
        look_at_runs(&witness, &told, &format!("kill {kill}")).await;
    }
    witness.close().await;
    let appends: u64 = told.values().sum();
    assert!(appends >= KILLS as u64, "{appends} appends");
    println!(
        "postgres_crash: {KILLS} kills of the process, {SERVER_KILLS} of the server, {appends} appends acknowledged, all \
         there; first append after a restart at the latest after {} ms",
        slowest.as_millis()
    );
}

/// Answers how long after its restart the server took an append of the process that was connected before.
fn kill_server(server: &PostgresServer, appending: &Appending, told: &mut BTreeMap<String, u64>) -> Duration {
    server.kill();
    // All that was said until now was acknowledged by the server that is gone.
    while let Ok((what, number)) = appending.said.recv_timeout(Duration::from_millis(20)) {
        told.insert(what, number);
    }
    server.restart();
    let begun = Instant::now();
    let next = appending.said.recv_timeout(SOON).expect("the process goes on with the server that came back");
    told.extend([next]);
    begun.elapsed()
}
