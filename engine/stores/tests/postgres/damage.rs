//! A database that is foreign, newer, gone or cannot be written is an error with a remedy.

use super::{connect, leased, new_run, server, storage};
use sqlx::{AssertSqlSafe, Connection as _};
use stageway_core::name::TenantId;
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Inbox as _, Most, Queue as _, RunFilter, Store as _};
use stageway_stores::PostgresStore;
use stageway_stores::testing::PostgresServer;
use std::sync::Arc;

async fn refused(url: &str) -> String {
    storage(PostgresStore::connect(PostgresServer::options(url), Arc::new(MemoryBlobs::new())).await)
}

async fn execute(url: &str, statement: &str) {
    let mut connection = server().connection(url).await;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_engine_is_refused_and_left_alone() {
    let url = server().database().await;
    connect(&url).await.close().await;
    execute(&url, "UPDATE stageway.schema_version SET version = 77").await;
    let text = refused(&url).await;
    assert!(text.contains("newer engine (schema 77") && text.contains("use that engine"), "{text}");
    execute(&url, "UPDATE stageway.schema_version SET version = 78 WHERE version = 77").await;
    assert!(refused(&url).await.contains("schema 78"), "what it was is still there");
}

#[tokio::test]
async fn a_schema_of_something_else_is_refused_and_left_alone() {
    let url = server().database().await;
    execute(&url, "CREATE SCHEMA stageway; CREATE TABLE stageway.theirs (x INTEGER)").await;
    let text = refused(&url).await;
    assert!(text.contains("not of this engine") && text.contains("database of its own"), "{text}");
    execute(&url, "INSERT INTO stageway.theirs VALUES (1)").await;
}

/// Another program's tables beside ours are no reason to refuse, nor is a schema that was made for us.
#[tokio::test]
async fn an_empty_schema_becomes_ours() {
    let url = server().database().await;
    execute(&url, "CREATE TABLE theirs (x INTEGER); CREATE SCHEMA stageway").await;
    let store = connect(&url).await;
    assert_eq!(store.create_run(&TenantId::local(), new_run("r1")).await, Ok(1));
}

#[tokio::test]
async fn a_database_with_another_encoding_is_refused() {
    let url = server().database().await;
    execute(&url, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").await;
    let (base, _) = url.rsplit_once('/').unwrap();
    let text = refused(&format!("{base}/latin")).await;
    assert!(text.contains("LATIN1") && text.contains("UTF8"), "{text}");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_to_do() {
    let url = server().database().await;
    let (base, _) = url.rsplit_once('/').unwrap();
    let text = refused(&format!("{base}/none")).await;
    assert!(text.starts_with("none at /") && text.contains("make the database first"), "{text}");
    let begun = std::time::Instant::now();
    let text = refused("postgres://ada:hidden@%2Fno%2Fsuch%2Fdirectory/x").await;
    assert!(text.contains("whether the server runs") && !text.contains("hidden"), "{text}");
    assert!(begun.elapsed().as_secs() < 30);
}

/// A user without the right to make a schema is told so, and works with one that was made for it.
#[tokio::test]
async fn a_user_without_rights_is_told() {
    let url = server().database().await;
    execute(&url, "CREATE ROLE plain LOGIN").await;
    let plain = url.replace("postgres://postgres@", "postgres://plain@");
    let text = refused(&plain).await;
    assert!(text.contains("permission denied") && text.contains("schema `stageway`"), "{text}");
    execute(&url, "CREATE SCHEMA stageway AUTHORIZATION plain").await;
    let store = connect(&plain).await;
    assert_eq!(store.create_run(&TenantId::local(), new_run("r1")).await, Ok(1));
}

#[tokio::test]
async fn a_database_that_only_reads_by_default_is_written() {
    let url = server().database().await;
    connect(&url).await.close().await;
    let mut connection = server().connection(&url).await;
    let name: String =
        sqlx::query_scalar("SELECT current_database()").fetch_one(&mut connection).await.unwrap();
    execute(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await;
    // A transaction of ours says that it writes.
    let store = connect(&url).await;
    assert_eq!(store.create_run(&TenantId::local(), new_run("r1")).await, Ok(1));
}

/// What was written by hand, or lost, is an error of the storage and never a value.
#[tokio::test]
async fn a_damaged_row_is_told() {
    let url = server().database().await;
    let store = connect(&url).await;
    let writer = leased(&store, "r1").await;
    store.append(&writer, super::batch(0)).await.unwrap();
    for (damage, what) in [
        ("UPDATE stageway.line SET origin = 'x:1'", "the origin of a line"),
        ("UPDATE stageway.line SET text = 'not JSON'", "the text of a line"),
        ("UPDATE stageway.run SET standing = 'not JSON'", "the standing of a run"),
        ("UPDATE stageway.run SET status = 'odd'", "the status of a run"),
        ("UPDATE stageway.event SET body = '[]'", "an event of a run"),
        ("UPDATE stageway.run SET fence = -1", "the fence of a run"),
    ] {
        execute(&url, damage).await;
        let (tenant, run) = (&writer.tenant, &writer.run);
        let filter = RunFilter { max: 9, ..RunFilter::default() };
        let found = [
            store.run(tenant, run).await.err(),
            store.runs(tenant, &filter).await.err(),
            store.lines(tenant, run, None, 0, 9).await.err(),
            store.renew(&writer, 9).await.err(),
        ];
        let told = found.iter().flatten().any(|error| error.to_string().contains(what));
        assert!(told, "{what}: {found:?}");
    }
}

/// The inbox's as well.
#[tokio::test]
async fn a_damaged_row_of_the_inbox_is_told() {
    let (url, tenant) = (server().database().await, TenantId::local());
    let store = connect(&url).await;
    let new = super::inbox::delivery("d1", "shop", vec![super::inbox::moved(1, 2)]);
    store.receive(&tenant, new.clone()).await.unwrap();
    store.admit(&tenant, super::inbox::admission("r1", 1, "")).await.unwrap();
    for (damage, what) in [
        ("UPDATE stageway.head SET after = 'odd'", "a head"),
        ("UPDATE stageway.moved SET generation = -1", "the generation of a move"),
        ("UPDATE stageway.delivery SET attempts = -9", "the attempts at a delivery"),
        ("UPDATE stageway.delivery SET event = 'not JSON'", "the event of a delivery"),
        ("UPDATE stageway.status SET context = 'not JSON'", "the context of a status"),
        ("UPDATE stageway.origin SET key = '{}'", "the key of a run"),
    ] {
        execute(&url, damage).await;
        store.forget_claims().await.unwrap();
        let repository = new.repository.as_ref().unwrap();
        let found = [
            store.heads(&tenant, repository).await.err(),
            store.take_up(5_000, 5_000, Most::of(9), None).await.err(),
            store.delivery(&tenant, &new.id).await.err(),
            store.pending(1_000, 9).await.err(),
            store.next(&tenant, 9).await.err(),
        ];
        let told = found.iter().flatten().any(|error| error.to_string().contains(what));
        assert!(told, "{what}: {found:?}");
    }
}

/// A table that is gone is a fault, not an empty list; what was refused leaves the store as it was.
#[tokio::test]
async fn a_table_that_is_missing_is_told() {
    let url = server().database().await;
    let store = connect(&url).await;
    let writer = leased(&store, "r1").await;
    execute(&url, "ALTER TABLE stageway.line RENAME TO other").await;
    let text = storage(store.lines(&writer.tenant, &writer.run, None, 0, 9).await);
    assert!(text.contains("does not exist"), "{text}");
    storage(store.append(&writer, super::batch(0)).await);
    execute(&url, "ALTER TABLE stageway.other RENAME TO line").await;
    assert_eq!(store.append(&writer, super::batch(0)).await, Ok(1));
}
