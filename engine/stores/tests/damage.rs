//! A file that is damaged, foreign, newer or cannot be written is an error with a remedy.

#![allow(clippy::unwrap_used, clippy::panic)]

use stageway_core::call::{Clock, Function, Value};
use stageway_core::digest::Digest;
use stageway_core::journal::{Entry, Record};
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Batch, BlobError, Blobs as _, NewRun, RunFilter, Store as _, StoreError, Writer};
use stageway_stores::{FsBlobs, SqliteStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn storage(found: Option<StoreError>) -> String {
    match found {
        Some(StoreError::Storage(text)) => text,
        other => panic!("an error of the storage was expected, not {other:?}"),
    }
}

async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Arc::new(MemoryBlobs::new())).await
}

fn execute(path: &Path, statement: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(statement).unwrap();
}

fn new_run(plan: String) -> NewRun {
    let (id, pipeline) = (RunId::new("r1").unwrap(), PipelineName::new("shop").unwrap());
    NewRun { id, pipeline, plan: serde_json::json!(plan), at: 1, events: vec![] }
}

#[tokio::test]
async fn what_was_written_is_there_when_it_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let store = open(&path).await.unwrap();
    store.create_run(&TenantId::local(), new_run("plan".into())).await.unwrap();
    store.close().await;
    let store = open(&path).await.unwrap();
    let run = store.run(&TenantId::local(), &RunId::new("r1").unwrap()).await.unwrap().unwrap();
    assert_eq!(run.plan, "plan");
}

#[tokio::test]
async fn a_database_of_a_newer_engine_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    open(&path).await.unwrap().close().await;
    execute(&path, "PRAGMA user_version = 77");
    let text = storage(open(&path).await.err());
    assert!(text.contains("newer engine (schema 77") && text.contains("use that engine"), "{text}");
}

#[tokio::test]
async fn a_database_of_something_else_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    execute(&path, "CREATE TABLE theirs (x)");
    let text = storage(open(&path).await.err());
    assert!(text.contains("not of this engine"), "{text}");
    execute(&path, "INSERT INTO theirs VALUES (1)");
    let path = directory.path().join("versioned");
    execute(&path, "CREATE TABLE theirs (x); PRAGMA user_version = 1");
    let text = storage(open(&path).await.err());
    assert!(text.contains("not of this engine"), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    std::fs::write(&path, "not a database, but a text that is long enough to look at".repeat(100)).unwrap();
    let text = storage(open(&path).await.err());
    assert!(text.contains("not a database") && text.contains("backup"), "{text}");
}

#[tokio::test]
async fn a_damaged_database_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let store = open(&path).await.unwrap();
    store.create_run(&TenantId::local(), new_run("x".repeat(200_000))).await.unwrap();
    store.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let store = open(&path).await;
    let found = match store {
        Ok(store) => {
            let filter = RunFilter { max: 9, ..RunFilter::default() };
            store.runs(&TenantId::local(), &filter).await.err()
        }
        Err(error) => Some(error),
    };
    let text = storage(found);
    assert!(text.contains("malformed") && text.contains("backup"), "{text}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let text = storage(open(&file.join("db")).await.err());
    assert!(text.contains("check that the directory"), "{text}");
    assert!(matches!(FsBlobs::open(file.join("blobs")), Err(BlobError::Storage(_))));
}

/// Where a blob lies below the directory.
fn file_of(directory: &Path, digest: &Digest) -> PathBuf {
    let hex = digest.hex();
    directory.join("sha256").join(&hex[..2]).join(&hex)
}

#[tokio::test]
async fn a_large_value_of_a_journal_that_is_lost_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(directory.path().join("blobs")).unwrap();
    let store = SqliteStore::open(directory.path().join("db"), Arc::new(blobs)).await.unwrap();
    let (tenant, run, stage) =
        (TenantId::local(), RunId::new("r1").unwrap(), StageName::new("build").unwrap());
    store.create_run(&tenant, new_run("plan".into())).await.unwrap();
    let fence = store.lease(&tenant, &run, "test", 1, 2, true).await.unwrap().unwrap().fence;
    let large = "x".repeat(1 << 20);
    let path = file_of(&directory.path().join("blobs"), &Digest::of(large.as_bytes()));
    let call = Function::Clock(Clock::Sleep { milliseconds: 1 });
    let record = Record::Entry(Box::new(Entry { seq: 1, at: 5, call, answer: Ok(Value::Text(large)) }));
    let batch = Batch { records: vec![(stage.clone(), 1, record.clone())], ..Batch::default() };
    let writer = Writer { tenant: tenant.clone(), run: run.clone(), fence };
    store.append(&writer, batch).await.unwrap();
    assert_eq!(store.journal(&tenant, &run, &stage, 1).await, Ok(vec![record]));
    assert!(
        std::fs::metadata(directory.path().join("db-wal")).unwrap().len() < 1 << 19,
        "not in the database"
    );
    std::fs::write(&path, "another").unwrap();
    let text = storage(store.journal(&tenant, &run, &stage, 1).await.err());
    assert!(text.contains("other bytes") && text.contains("backup"), "{text}");
    std::fs::remove_file(&path).unwrap();
    let text = storage(store.journal(&tenant, &run, &stage, 1).await.err());
    assert!(text.contains("no blob") && text.contains("backup"), "{text}");
}

#[tokio::test]
async fn damaged_bytes_are_noticed_and_a_cut_blob_is_written_again() {
    let directory = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(directory.path()).unwrap();
    let digest = blobs.put(b"right".to_vec()).await.unwrap().digest;
    let path = file_of(directory.path(), &digest);
    assert_eq!(std::fs::read(&path).unwrap(), b"right");
    std::fs::write(&path, b"wrong").unwrap();
    let found = blobs.get(&digest, 9).await;
    assert!(matches!(found, Err(BlobError::Corrupt { found, .. }) if found == Digest::of(b"wrong")));
    std::fs::write(&path, b"ri").unwrap();
    blobs.put(b"right".to_vec()).await.unwrap();
    assert_eq!(blobs.get(&digest, 9).await.unwrap(), b"right");
}
