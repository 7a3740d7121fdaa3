use super::inbox::OF_LANES;
use super::statements::queue;
use super::{SqliteStore, sql};
use stageway_core::call::LogLevel;
use stageway_core::log::{Line, Origin};
use stageway_core::name::{PipelineName, RunId, TenantId};
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Batch, NewRun, Store as _, StoreError, Writer};
use std::sync::Arc;

fn new_run(plan: String) -> NewRun {
    let (id, pipeline) = (RunId::new("r1").unwrap(), PipelineName::new("shop").unwrap());
    NewRun { id, pipeline, plan: serde_json::json!(plan), at: 1, events: vec![] }
}

async fn opened() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("db"), Arc::new(MemoryBlobs::new())).await.unwrap();
    (directory, store)
}

async fn pragma(store: &SqliteStore, name: &'static str) -> i64 {
    sql::query_scalar(name).fetch_one(&mut store.inner.turns.begin().await.unwrap()).await.unwrap()
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
    let mode: String = sql::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut store.inner.turns.begin().await.unwrap())
        .await
        .unwrap();
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
    let tables: Vec<String> =
        sql::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .fetch_all(&mut store.inner.turns.begin().await.unwrap())
            .await
            .unwrap();
    assert!(tables.len() > 10);
    for table in tables.iter().filter(|table| *table != "tenant") {
        let found: Option<i64> =
            sql::query_scalar("SELECT \"notnull\" FROM pragma_table_info(?1) WHERE name = 'tenant'")
                .bind(table)
                .fetch_optional(&mut store.inner.turns.begin().await.unwrap())
                .await
                .unwrap();
        assert_eq!(found, Some(1), "{table}");
    }
}

/// How SQLite does a statement, step by step.
async fn plan(store: &SqliteStore, statement: &str) -> Vec<String> {
    let turn = store.inner.turns.begin().await.unwrap();
    let mut explain = turn.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
    explain.raw_query().mapped(|row| row.get("detail")).collect::<Result<_, _>>().unwrap()
}

/// What is asked of the queue at every look is read from an index, in its order.
#[tokio::test]
async fn a_turn_is_looked_up_in_an_index() {
    let (_directory, store) = opened().await;
    for statement in [
        queue::NEXT,
        queue::ENDING,
        queue::TAKEN,
        queue::GIVES_WAY,
        queue::OLDEST,
        queue::MEND_LEASED,
        queue::MEND_BEHIND,
    ] {
        let plan = plan(&store, statement).await.join("\n");
        // Each search of the runs has an index, but the last step of an update to the row itself.
        let whole = plan.contains("PRIMARY KEY (tenant=?)");
        let index = ["run_turn", "run_lane", "run_yields"].iter().any(|name| plan.contains(name));
        assert!(
            index && !whole && !plan.contains("SCAN run") && !plan.contains("TEMP"),
            "{statement}: {plan}"
        );
    }
}

/// However many deliveries wait, a look at which can be given out goes from lane to lane.
#[tokio::test]
async fn lanes_are_looked_up_in_an_index() {
    let (_directory, store) = opened().await;
    let plan = plan(&store, OF_LANES).await;
    for step in plan.iter().filter(|step| step.contains("SCAN")) {
        assert!(step.contains("lane") || step == "SCAN CONSTANT ROW", "{}", plan.join("\n"));
    }
}

fn line(number: u64) -> Line {
    let origin = Origin::Engine { key: number.to_string() };
    Line { stage: None, attempt: 0, at: 1, level: LogLevel::Info, origin, text: number.to_string() }
}

/// More lines than one statement writes, and one of them stands already: the others get the next numbers, in order.
#[tokio::test]
async fn many_lines_are_numbered_without_gaps() {
    let (_directory, store) = opened().await;
    let (tenant, run) = (TenantId::local(), RunId::new("r1").unwrap());
    store.create_run(&tenant, new_run("lines".into())).await.unwrap();
    let fence = store.lease(&tenant, &run, "test", 1, 2, true).await.unwrap().unwrap().fence;
    let writer = Writer { tenant: tenant.clone(), run: run.clone(), fence };
    for lines in [vec![line(70)], (0..200).map(line).collect()] {
        store.append(&writer, Batch { lines, ..Batch::default() }).await.unwrap();
    }
    let found = store.lines(&tenant, &run, None, 0, 999).await.unwrap();
    let expected: Vec<Line> =
        std::iter::once(70).chain((0..200).filter(|number| *number != 70)).map(line).collect();
    assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    assert_eq!(found.into_iter().map(|line| line.line).collect::<Vec<_>>(), expected);
}

/// Sixteen appends at once, every second with a fence of the past: the others do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_append_takes_nothing_of_its_group_with_it() {
    let (_directory, store) = opened().await;
    let (tenant, run) = (TenantId::local(), RunId::new("r1").unwrap());
    store.create_run(&tenant, new_run("group".into())).await.unwrap();
    let lease = store.lease(&tenant, &run, "test", 1, 2, true).await.unwrap().unwrap();
    let before = store.commits();
    assert_eq!(before, 2, "the run and its lease");
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..16_u64 {
        let stale = number % 2;
        let writer = Writer { tenant: tenant.clone(), run: run.clone(), fence: lease.fence + stale };
        let (store, batch) = (store.clone(), Batch { lines: vec![line(number)], ..Batch::default() });
        appends.spawn(async move { (stale, store.append(&writer, batch).await) });
    }
    for (stale, answer) in appends.join_all().await {
        assert_eq!(answer.is_err(), stale == 1, "{answer:?}");
    }
    assert!((1..=16).contains(&(store.commits() - before)), "a group counts once");
    let lines = store.lines(&tenant, &run, None, 0, 99).await.unwrap();
    let mut texts: Vec<u64> = lines.iter().map(|line| line.line.text.parse().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, [0, 2, 4, 6, 8, 10, 12, 14]);
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
}

fn named(run: &str) -> NewRun {
    NewRun { id: RunId::new(run).unwrap(), ..new_run("turns".into()) }
}

/// Runs of a tenant, oldest first.
async fn standing(store: &SqliteStore) -> Vec<String> {
    let filter = stageway_ports::RunFilter { max: 999, ..Default::default() };
    let runs = store.runs(&TenantId::local(), &filter).await.unwrap();
    runs.iter().rev().map(|run| run.id.to_string()).collect()
}

/// Whoever waits while another writes shares its flush; what they do is of any kind.
#[tokio::test]
async fn those_that_wait_become_durable_together() {
    let (_directory, store) = opened().await;
    let tenant = TenantId::local();
    let held = store.write(&tenant).await.unwrap();
    let before = store.commits();
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..40 {
        let (store, tenant) = (store.clone(), tenant.clone());
        waiting.spawn(async move { store.create_run(&tenant, named(&format!("r{number}"))).await });
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(standing(&store).await.is_empty());
    store.finish(held, Ok(())).await.unwrap();
    assert!(waiting.join_all().await.into_iter().all(|created| created.is_ok()));
    assert_eq!((standing(&store).await.len(), store.commits() - before), (40, 1));
}

/// A turn that is dropped in the middle of a group takes nothing of the others with it, and they wait for nobody.
#[tokio::test]
async fn a_turn_that_is_dropped_in_a_group_never_was() {
    let (_directory, store) = opened().await;
    let tenant = TenantId::local();
    for round in 0..20 {
        let held = store.write(&tenant).await.unwrap();
        let of = |name: &str| named(&format!("{name}-{round}"));
        let kept = {
            let (store, tenant, run) = (store.clone(), tenant.clone(), of("kept"));
            tokio::spawn(async move { store.create_run(&tenant, run).await })
        };
        tokio::task::yield_now().await;
        let dropped = {
            let (store, tenant, run) = (store.clone(), tenant.clone(), of("dropped"));
            tokio::spawn(async move {
                let mut write = store.write(&tenant).await.unwrap();
                write.create_run(&run).await.unwrap();
                drop(write);
            })
        };
        let gives_up = {
            let (store, tenant, run) = (store.clone(), tenant.clone(), of("gives-up"));
            tokio::spawn(async move { store.create_run(&tenant, run).await })
        };
        tokio::time::sleep(std::time::Duration::from_millis(round % 4)).await;
        gives_up.abort();
        store.finish(held, Ok(())).await.unwrap();
        let soon = std::time::Duration::from_secs(10);
        tokio::time::timeout(soon, kept).await.expect("nobody makes it durable").unwrap().unwrap();
        tokio::time::timeout(soon, dropped).await.unwrap().unwrap();
        let standing = standing(&store).await;
        assert!(
            standing.contains(&format!("kept-{round}")) && !standing.contains(&format!("dropped-{round}"))
        );
    }
}

/// Callers that go away at any moment: nobody waits for ever, and what was answered is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_hold_up_nobody() {
    let (_directory, store) = opened().await;
    let tenant = TenantId::local();
    let mut callers = Vec::new();
    for number in 0..400_u64 {
        let (store, tenant, run) = (store.clone(), tenant.clone(), named(&format!("r{number}")));
        let caller = tokio::spawn(async move {
            store.create_run(&tenant, run).await.unwrap();
            number
        });
        if number % 3 == 0 {
            let caller = caller.abort_handle();
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_micros(number * 37 % 5_000)).await;
                caller.abort();
            });
        }
        callers.push(caller);
        if number % 16 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
    let mut answered = Vec::new();
    for caller in callers {
        let caller = tokio::time::timeout(std::time::Duration::from_secs(20), caller).await;
        answered.extend(caller.expect("somebody waits for ever").ok());
    }
    assert!(answered.len() >= 266, "{}", answered.len());
    let standing = standing(&store).await;
    assert!(answered.iter().all(|number| standing.contains(&format!("r{number}"))));
}

/// A failure of the storage in a group is told to everybody in it, and the next one goes on.
#[tokio::test]
async fn a_full_disk_in_a_group_is_told_to_all_of_it() {
    let (_directory, store) = opened().await;
    pragma(&store, "PRAGMA max_page_count = 80").await;
    let tenant = TenantId::local();
    let held = store.write(&tenant).await.unwrap();
    let create = |name: &str, bytes: usize| {
        let (store, tenant) = (store.clone(), tenant.clone());
        let run = NewRun { plan: serde_json::json!("x".repeat(bytes)), ..named(name) };
        tokio::spawn(async move { store.create_run(&tenant, run).await })
    };
    let small = create("small", 10);
    tokio::task::yield_now().await;
    let large = create("large", 2_000_000);
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let held = store.finish(held, Ok(1)).await.map_err(|failure| failure.at(store.inner.file.path()));
    let (small, large) = (small.await.unwrap(), large.await.unwrap());
    assert!(large.is_err());
    for answer in [&held, &small, &large] {
        let is_told = matches!(answer, Err(StoreError::Storage(text)) if text.contains("make room"));
        assert!(answer.is_ok() || is_told, "{answer:?}");
    }
    let standing = standing(&store).await;
    assert_eq!(standing.contains(&"small".to_owned()), small.is_ok(), "{small:?}: {standing:?}");
    assert_eq!(store.create_run(&tenant, named("next")).await.map(|number| number > 0), Ok(true));
}
