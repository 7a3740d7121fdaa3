//! PostgreSQL, on a real server that these tests share; each has a database of its own.

#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;
mod damage;
mod growth;
mod inbox;
mod replicas;
mod tls;

use stageway_core::call::{Clock, Function, LogLevel, Value};
use stageway_core::journal::{Entry, Record};
use stageway_core::log::{Line, Origin};
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_core::run::RunEvent;
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Batch, NewRun, Store as _, StoreError, Writer};
use stageway_stores::PostgresStore;
use stageway_stores::testing::PostgresServer;
use std::sync::{Arc, OnceLock};

/// The server of this binary. It ends with the process, and flushes nothing: what must survive is tested in
/// `postgres_crash.rs`.
fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start(false))
}

async fn connect(url: &str) -> PostgresStore {
    PostgresStore::connect(PostgresServer::options(url), Arc::new(MemoryBlobs::new())).await.unwrap()
}

/// A store with a database of its own.
async fn opened() -> PostgresStore {
    connect(&server().database().await).await
}

fn run_id(id: &str) -> RunId {
    RunId::new(id).unwrap()
}

fn stage() -> StageName {
    StageName::new("build").unwrap()
}

fn new_run(id: &str) -> NewRun {
    let pipeline = PipelineName::new("shop").unwrap();
    NewRun { id: run_id(id), pipeline, plan: serde_json::json!({"of": id}), at: 1, events: vec![] }
}

/// A run of the local tenant that is leased.
async fn leased(store: &PostgresStore, id: &str) -> Writer {
    let tenant = TenantId::local();
    store.create_run(&tenant, new_run(id)).await.unwrap();
    let lease = store.lease(&tenant, &run_id(id), "test", 1, 2, true).await.unwrap().unwrap();
    Writer { tenant, run: run_id(id), fence: lease.fence }
}

/// One event, one record and one line, as a driver appends them.
fn batch(version: u64) -> Batch {
    let (seq, at) = (u32::try_from(version).unwrap() + 1, version);
    let call = Function::Clock(Clock::Sleep { milliseconds: seq });
    let entry = Record::Entry(Box::new(Entry { seq, at, call, answer: Ok(Value::Done) }));
    Batch {
        expected: version,
        events: vec![RunEvent::AttemptParked { at, stage: stage(), attempt: seq, why: "test".into() }],
        records: vec![(stage(), 1, entry)],
        lines: vec![line(Origin::Plugin { seq, ordinal: 0 }, "a line")],
        ..Batch::default()
    }
}

fn line(origin: Origin, text: &str) -> Line {
    let (stage, text) = (Some(stage()), text.to_owned());
    Line { stage, attempt: 1, at: 1, level: LogLevel::Info, origin, text }
}

fn storage<T>(done: Result<T, StoreError>) -> String {
    match done {
        Err(StoreError::Storage(text)) => text,
        Err(other) => panic!("an error of the storage was expected, not {other:?}"),
        Ok(_) => panic!("an error of the storage was expected"),
    }
}
