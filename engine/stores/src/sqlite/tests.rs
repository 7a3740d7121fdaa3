use super::SqliteStore;
use stageway_core::name::{PipelineName, RunId, TenantId};
use stageway_ports::{NewRun, Store as _, StoreError};

fn new_run(plan: String) -> NewRun {
    let (id, pipeline) = (RunId::new("r1").unwrap(), PipelineName::new("shop").unwrap());
    NewRun { id, pipeline, plan: serde_json::json!(plan), at: 1, events: vec![] }
}

async fn opened() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("db")).await.unwrap();
    (directory, store)
}

async fn pragma(store: &SqliteStore, name: &'static str) -> i64 {
    sqlx::query_scalar(name).fetch_one(&store.inner.writer).await.unwrap()
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_half_is_written() {
    let (_directory, store) = opened().await;
    // SQLite's own limit stands in for a small disk: both end in the same error.
    pragma(&store, "PRAGMA max_page_count = 60").await;
    let (tenant, run) = (TenantId::local(), RunId::new("r1").unwrap());
    let refused = store.create_run(&tenant, new_run("x".repeat(2_000_000))).await;
    let Err(StoreError::Storage(text)) = refused else {
        unreachable!("two megabytes do not fit on sixty pages")
    };
    assert!(text.contains("make room"), "{text}");
    assert!(store.run(&tenant, &run).await.unwrap().is_none());
    assert_eq!(store.create_run(&tenant, new_run("small".into())).await, Ok(1));
}

#[tokio::test]
async fn every_commit_is_flushed() {
    let (_directory, store) = opened().await;
    assert_eq!(pragma(&store, "PRAGMA synchronous").await, 2, "FULL");
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&store.inner.writer).await.unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_never_was() {
    let (_directory, store) = opened().await;
    let tenant = TenantId::local();
    let mut write = store.write(&tenant).await.unwrap();
    write.create_run(&new_run("dropped".into())).await.unwrap();
    drop(write);
    assert_eq!(store.create_run(&tenant, new_run("kept".into())).await, Ok(1));
}

/// The column is there, and never null.
#[tokio::test]
async fn every_table_carries_its_tenant() {
    let (_directory, store) = opened().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    )
    .fetch_all(&store.inner.writer)
    .await
    .unwrap();
    assert!(tables.len() > 10);
    for table in tables.iter().filter(|table| *table != "tenant") {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT \"notnull\" FROM pragma_table_info(?1) WHERE name = 'tenant'")
                .bind(table)
                .fetch_optional(&store.inner.writer)
                .await
                .unwrap();
        assert_eq!(found, Some(1), "{table}");
    }
}
