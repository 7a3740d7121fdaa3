use super::migrate::{MIGRATIONS, migrate};
use super::retry::patiently;
use super::statements::inbox::{admit, heads};
use super::statements::{lines, queue, runs};
use super::{Failure, PostgresStore, inbox};
use crate::testing::PostgresServer;
use sqlx::{AssertSqlSafe, Row as _};
use stageway_core::call::LogLevel;
use stageway_core::log::{Line, Origin};
use stageway_core::name::{PipelineName, RunId, TenantId};
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Batch, NewRun, RunFilter, Store as _, Writer};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

fn server() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| PostgresServer::start(false))
}

async fn opened() -> PostgresStore {
    let url = server().database().await;
    PostgresStore::connect(PostgresServer::options(&url), Arc::new(MemoryBlobs::new())).await.unwrap()
}

fn new_run(id: &str) -> NewRun {
    let (id, pipeline) = (RunId::new(id).unwrap(), PipelineName::new("shop").unwrap());
    NewRun { id, pipeline, plan: serde_json::json!({}), at: 1, events: vec![] }
}

fn lines_of(writer: &Writer, count: u32) -> Batch {
    let line = |number: u32| Line {
        stage: None,
        attempt: 0,
        at: 1,
        level: LogLevel::Info,
        origin: Origin::Engine { key: format!("{} {number}", writer.run) },
        text: "text".into(),
    };
    Batch { lines: (0..count).map(line).collect(), ..Batch::default() }
}

async fn leased(store: &PostgresStore, id: &str) -> Writer {
    let (tenant, run) = (TenantId::local(), RunId::new(id).unwrap());
    store.create_run(&tenant, new_run(id)).await.unwrap();
    let lease = store.lease(&tenant, &run, "test", 1, 2, true).await.unwrap().unwrap();
    Writer { tenant, run, fence: lease.fence }
}

/// The column is there, and never null.
#[tokio::test]
async fn every_table_carries_its_tenant() {
    let store = opened().await;
    let tables: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT t.table_name::text, (SELECT c.is_nullable::text FROM information_schema.columns AS c
           WHERE c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.column_name = 'tenant')
         FROM information_schema.tables AS t WHERE t.table_schema = 'stageway'",
    )
    .fetch_all(&store.inner.pool)
    .await
    .unwrap();
    assert!(tables.len() > 10);
    for (table, nullable) in tables {
        // The others are not about anybody's runs.
        if !["tenant", "schema_version", "holder"].contains(&table.as_str()) {
            assert_eq!(nullable.as_deref(), Some("NO"), "{table}");
        }
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_never_was() {
    let store = opened().await;
    let tenant = TenantId::local();
    let mut write = store.write(&tenant).await.unwrap();
    write.create_run(&new_run("dropped")).await.unwrap();
    drop(write);
    assert_eq!(store.create_run(&tenant, new_run("kept")).await, Ok(1));
}

/// Every connection has the bounds, and commits are flushed whatever the database says.
#[tokio::test]
async fn a_connection_has_bounds() {
    let url = server().database().await;
    let (_, name) = url.rsplit_once('/').unwrap();
    let off = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    let mut admin = server().connection(&url).await;
    sqlx::raw_sql(AssertSqlSafe(off)).execute(&mut admin).await.unwrap();
    let store =
        PostgresStore::connect(PostgresServer::options(&url), Arc::new(MemoryBlobs::new())).await.unwrap();
    for (setting, expected) in [
        ("statement_timeout", "15s"),
        ("lock_timeout", "8s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("synchronous_commit", "on"),
        ("search_path", "stageway"),
    ] {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&store.inner.pool)
            .await
            .unwrap();
        assert_eq!(found, expected, "{setting}");
    }
}

/// A collision is tried again until it is through; a statement that takes too long is ended.
#[tokio::test]
async fn a_transaction_that_collides_is_tried_again() {
    let store = opened().await;
    let tries = AtomicU32::new(0);
    let collided = patiently!(async {
        let mut write = store.write(&TenantId::local()).await?;
        let answer = match tries.fetch_add(1, Ordering::Relaxed) {
            0 => raise(&mut write, "40001").await,
            1 => raise(&mut write, "40P01").await,
            2 => raise(&mut write, "57P01").await,
            _ => Ok(()),
        };
        store.finish(write, answer).await
    });
    collided.unwrap();
    assert_eq!(tries.load(Ordering::Relaxed), 4);
    let refused = patiently!(async {
        tries.fetch_add(1, Ordering::Relaxed);
        let mut write = store.write(&TenantId::local()).await?;
        raise(&mut write, "53100").await
    });
    let text = refused.unwrap_err().at("here").to_string();
    assert!(text.contains("make room") && tries.load(Ordering::Relaxed) == 5, "{text}");
}

async fn raise(write: &mut super::transaction::Write, code: &str) -> Result<(), Failure> {
    let raise = format!("DO $$ BEGIN RAISE EXCEPTION 'test' USING ERRCODE = '{code}'; END $$");
    sqlx::raw_sql(AssertSqlSafe(raise)).execute(&mut *write.sql).await?;
    Ok(())
}

/// The next version adds a table, a column and an index while stores of this version write on and start anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_before_runs_on_while_a_migration_is_applied() {
    const NEXT: &str = "ALTER TABLE run ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
         CREATE TABLE extra (tenant TEXT NOT NULL, body TEXT NOT NULL);
         CREATE INDEX run_by_priority ON run (tenant, priority)";
    let store = opened().await;
    let writer = leased(&store, "r1").await;
    let writing = tokio::spawn({
        let (store, writer) = (store.clone(), writer.clone());
        async move {
            for number in 0..100_u32 {
                let origin = Origin::Engine { key: number.to_string() };
                let mut batch = lines_of(&writer, 1);
                batch.lines[0].origin = origin;
                store.append(&writer, batch).await.unwrap();
            }
        }
    });
    let newer = [MIGRATIONS, &[NEXT]].concat();
    migrate(&store.inner.pool, &newer).await.unwrap();
    writing.await.unwrap();
    assert_eq!(store.lines(&writer.tenant, &writer.run, None, 0, 200).await.unwrap().len(), 100);
    migrate(&store.inner.pool, &newer).await.unwrap();
    let older = migrate(&store.inner.pool, MIGRATIONS).await;
    let known = i32::try_from(MIGRATIONS.len()).unwrap();
    assert!(
        matches!(older, Err(Failure::Newer { found, known: ours }) if (found, ours) == (known + 1, known)),
        "{older:?}"
    );
}

/// A migration that fails leaves the schema as it was.
#[tokio::test]
async fn a_migration_is_whole_or_not_at_all() {
    let store = opened().await;
    let broken = [MIGRATIONS, &["CREATE TABLE half (tenant TEXT NOT NULL); SELECT 1 / 0"]].concat();
    assert!(migrate(&store.inner.pool, &broken).await.is_err());
    let half: bool = sqlx::query_scalar("SELECT to_regclass('stageway.half') IS NOT NULL")
        .fetch_one(&store.inner.pool)
        .await
        .unwrap();
    assert!(!half);
    migrate(&store.inner.pool, MIGRATIONS).await.unwrap();
}

/// What the planner does with a statement, its parameters replaced by values.
async fn explained(store: &PostgresStore, statement: &str, values: &[&str]) -> String {
    let mut text = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {statement}");
    for (number, value) in values.iter().enumerate() {
        text = text.replace(&format!("${}", number + 1), value);
    }
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&store.inner.pool).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

/// A page is read from an index, in order, and no more of it than is asked for.
#[tokio::test]
async fn pages_are_read_from_an_index() {
    let store = opened().await;
    for run in ["r1", "r2"] {
        let writer = leased(&store, run).await;
        for _ in 0..20 {
            store.append(&writer, lines_of(&writer, 500)).await.unwrap();
        }
        let twice = store.lines(&writer.tenant, &writer.run, None, 0, 9_999).await.unwrap();
        assert_eq!(twice.len(), 500, "the same origins came twenty times");
    }
    let fill = "INSERT INTO line SELECT tenant, run, 500 + n, '', 0, 1, 'info', 'e:' || n, NULL, FALSE, text
         FROM line, generate_series(1, 25000) AS n WHERE number = 1;
         INSERT INTO run (tenant, id, number, pipeline, created_at, version, standing, status)
         SELECT 'local', 'more-' || n, 10 + n, 'shop', 1, 0, '{}', 'queued' FROM generate_series(1, 5000) AS n;
         ANALYZE line; ANALYZE run";
    sqlx::raw_sql(fill).execute(&store.inner.pool).await.unwrap();
    let values = ["'local'", "'r1'", "20000", "100", "''"];
    let plan = explained(&store, lines::ALL, &values).await;
    assert!(plan.contains("Index Scan using line_pkey") && plan.contains("rows=100 "), "{plan}");
    assert!(!plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
    let plan = explained(&store, lines::OF_STAGE, &values).await;
    assert!(plan.contains("Index Scan") && plan.contains("rows=100 ") && !plan.contains("Sort"), "{plan}");
    let pipeline = Some(PipelineName::new("shop").unwrap());
    for (unfinished, pipeline) in [(false, None), (true, None), (false, pipeline.clone()), (true, pipeline)] {
        let filter = RunFilter { pipeline, unfinished, ..RunFilter::default() };
        let plan = explained(&store, runs::list(&filter), &["'local'", "4000", "50", "'shop'"]).await;
        assert!(
            plan.contains("Index Scan") && !plan.contains("Sort") && !plan.contains("Seq Scan"),
            "{plan}"
        );
    }
}

/// What is asked of the queue at every look is read from an index, however many runs wait, have a place or have ended.
#[tokio::test]
async fn a_turn_is_looked_up_in_an_index() {
    let store = opened().await;
    let statements =
        [(queue::NEXT, 64), (queue::ENDING, 0), (queue::TAKEN, 1), (queue::GIVES_WAY, 0), (queue::OLDEST, 1)];
    let fill = "INSERT INTO run (tenant, id, number, pipeline, created_at, version, standing, status, turn, lane, yields,
             holder, ended_at)
           SELECT 'local', n, n, 'shop', 1, 0, '{}', 'queued', CASE WHEN n <= 20 THEN 2 WHEN n <= 10000 THEN 1
             WHEN n <= 20000 THEN 0 END, CASE WHEN n > 10000 THEN 'main' END, 0, CASE WHEN n <= 20 THEN 'me' END,
             CASE WHEN n > 20000 THEN 1 END FROM generate_series(1, 30000) AS n;
         INSERT INTO origin (tenant, run, key, revision)
           SELECT 'local', n, 'key ' || n, 'a' FROM generate_series(1, 30000) AS n;
         ANALYZE run; ANALYZE origin";
    sqlx::raw_sql(fill).execute(&store.inner.pool).await.unwrap();
    for (statement, rows) in statements {
        let values = if statement.contains("$3") || statement.contains("lane = $2") {
            ["'local'", "'main'", "99999", "''"]
        } else {
            ["'local'", "64", "''", "''"]
        };
        let plan = explained(&store, statement, &values).await;
        assert!(plan.contains("run_") && !plan.contains("Seq Scan") && !plan.contains("Sort"), "{plan}");
        assert!(!plan.contains("Rows Removed by Filter"), "it reads what it does not want: {plan}");
        assert!(plan.contains(&format!("rows={rows} ")), "{plan}");
    }
}

/// However many deliveries wait behind one that is being taken in, a look at which can be given out goes from lane to lane.
#[tokio::test]
async fn lanes_are_looked_up_in_an_index() {
    let store = opened().await;
    let fill = "INSERT INTO lane SELECT 'local', 'r' || n FROM generate_series(1, 50) AS n;
         INSERT INTO lane VALUES ('local', '');
         INSERT INTO delivery (tenant, id, webhook, key, at, event, headers, size, repository, claimed_until)
           SELECT 'local', n, 'hook', n, 1, '', '[]', 0, 'r' || CASE WHEN n < 10000 THEN 1 ELSE n - 9950 END,
             CASE WHEN n = 1 THEN 99 ELSE 0 END FROM generate_series(1, 10000) AS n;
         INSERT INTO delivery (tenant, id, webhook, key, at, event, headers, size)
           VALUES ('local', 'x', 'hook', 'x', 1, '', '[]', 0);
         ANALYZE lane; ANALYZE delivery";
    sqlx::raw_sql(fill).execute(&store.inner.pool).await.unwrap();
    let asked = sqlx::query_as(inbox::OF_LANES).bind(9_i64).bind(8_i64).bind("");
    let free: Vec<(String, i64, Option<String>)> = asked.fetch_all(&store.inner.pool).await.unwrap();
    let lanes: Vec<Option<&str>> = free.iter().map(|(.., repository)| repository.as_deref()).collect();
    assert_eq!(lanes, [Some("r50"), None], "nobody is free behind one who is being taken in");
    let plan = explained(&store, inbox::OF_LANES, &["9", "8", "''"]).await;
    assert!(plan.contains("delivery_lane") && !plan.contains("delivery_open"), "{plan}");
    let rows = plan.split("rows=").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(rows.max() <= Some(64), "{plan}");
}

/// Whoever let a lane go while another looked through it leaves the other with those behind the first: it has none of them.
#[tokio::test]
async fn of_a_lane_none_is_passed_over() {
    let store = opened().await;
    let fill = "INSERT INTO delivery (tenant, id, webhook, key, at, event, headers, size, repository, claimed_until)
           SELECT 'local', n, 'hook', n, 1, '', '[]', 0, CASE WHEN n < 9 THEN 'shop' END, CASE WHEN n = 6 THEN 99 ELSE 0 END
           FROM generate_series(1, 10) AS n";
    sqlx::raw_sql(fill).execute(&store.inner.pool).await.unwrap();
    let claim = async |numbers: Vec<i64>| {
        let asked =
            sqlx::query_as(inbox::CLAIM).bind(9_i64).bind(64_i64).bind(99_i64).bind("us").bind(numbers);
        let claimed: Vec<(String, i64, i64)> = asked.fetch_all(&store.inner.pool).await.unwrap();
        claimed.into_iter().map(|(_, number, _)| number).collect::<BTreeSet<_>>()
    };
    assert_eq!(claim(vec![2, 3, 10]).await, BTreeSet::from([10]), "the first is not among them");
    assert_eq!(claim(vec![1, 2, 4, 7]).await, BTreeSet::from([1, 2]), "another has one of them by now");
    assert_eq!(claim(vec![3, 4]).await, BTreeSet::new());
}

/// What an inbox asks again and again is read from an index, from the first row on and with a long history.
#[tokio::test]
async fn an_inbox_is_looked_up_in_an_index() {
    let store = opened().await;
    let statements = [
        (inbox::OLDEST, vec!["9", "64", "''"], "delivery_open"),
        (inbox::PENDING, vec!["9", "64"], "status_open"),
        (admit::ADMITTED, vec!["'local'", "'key 17'"], "origin_by_key"),
        (
            heads::ALIKE,
            vec!["'local'", "'shop'", "'refs/heads/main'", "'17'::text", "NULL::text", "99999"],
            "head_by_pair",
        ),
    ];
    for (statement, values, index) in &statements {
        let plan = explained(&store, statement, values).await;
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "with nothing in it: {plan}");
    }
    let fill = "INSERT INTO lane SELECT 'local', 'r' || n FROM generate_series(1, 50) AS n;
         INSERT INTO delivery (tenant, id, webhook, key, at, event, headers, size, repository, settled_at)
           SELECT 'local', n, 'hook', n, 1, '', '[]', 0, 'r' || n % 50, CASE WHEN n < 19000 THEN 1 END
           FROM generate_series(1, 20000) AS n;
         INSERT INTO status (tenant, repository, revision, context, fixed, closed)
           SELECT 'local', 'shop', 'a', n, '{}', CASE WHEN n < 19000 THEN 1 ELSE 0 END FROM generate_series(1, 20000) AS n;
         INSERT INTO origin (tenant, run, key, revision)
           SELECT 'local', n, 'key ' || n, 'a' FROM generate_series(1, 20000) AS n;
         INSERT INTO head (tenant, repository, reference, generation, before, after)
           SELECT 'local', 'shop', 'refs/heads/main', n, n, n + 1 FROM generate_series(1, 20000) AS n;
         ANALYZE lane; ANALYZE delivery; ANALYZE status; ANALYZE origin; ANALYZE head";
    sqlx::raw_sql(fill).execute(&store.inner.pool).await.unwrap();
    for (statement, values, index) in &statements {
        let plan = explained(&store, statement, values).await;
        let sorts = plan.contains("Sort") || plan.contains("Seq Scan");
        assert!(plan.contains(index) && !sorts, "{plan}");
        assert!(!plan.contains("Rows Removed by Filter: 1"), "it reads what it does not want: {plan}");
    }
}
