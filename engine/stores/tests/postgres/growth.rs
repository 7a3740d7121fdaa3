//! What there is already costs nothing: lines are paged, and appends take as long with ten times the runs.

use super::{batch, leased, line, opened, server};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use stageway_core::log::Origin;
use stageway_ports::{Batch, Store as _};
use std::time::{Duration, Instant};

const LINES: u64 = 50_000;
const PAGE: u32 = 1_000;

/// Fifty thousand lines come in pages, each from where the last one ended, and the last page takes as long as the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_lines_are_paged() {
    let store = opened().await;
    let writer = leased(&store, "r1").await;
    for first in (0..LINES).step_by(2_000) {
        let lines =
            (first..first + 2_000).map(|number| line(Origin::Engine { key: number.to_string() }, "text"));
        store.append(&writer, Batch { lines: lines.collect(), ..Batch::default() }).await.unwrap();
    }
    let (mut after, mut took) = (0, Vec::new());
    loop {
        let begun = Instant::now();
        let page = store.lines(&writer.tenant, &writer.run, None, after, PAGE).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.iter().zip(after + 1..).all(|(line, number)| line.number == number));
        after = last.number;
        took.push(begun.elapsed());
    }
    assert_eq!((after, took.len()), (LINES, 50));
    let (first, last) = (median(&mut took[..25]), median(&mut took[25..]));
    assert!(last < first * 3, "pages of the first half take {first:?}, of the second {last:?}");
}

fn median(all: &mut [Duration]) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

/// Copies of a run that is there, with all it has.
async fn multiply(mut sql: PgConnection, copies: u32) {
    let copy = format!(
        "SET search_path = stageway;
         INSERT INTO run (tenant, id, number, pipeline, created_at, version, standing, status, lines, reports, fence)
           SELECT tenant, 'copy-' || n, 1000 + n, pipeline, created_at, version, standing, status, lines, reports, fence
           FROM run, generate_series(1, {copies}) AS n WHERE id = 'seed';
         INSERT INTO plan SELECT tenant, 'copy-' || n, body FROM plan, generate_series(1, {copies}) AS n WHERE run = 'seed';
         INSERT INTO event
           SELECT tenant, 'copy-' || n, version, body FROM event, generate_series(1, {copies}) AS n WHERE run = 'seed';
         INSERT INTO record SELECT tenant, 'copy-' || n, stage, attempt, seq, part, body
           FROM record, generate_series(1, {copies}) AS n WHERE run = 'seed';
         INSERT INTO line SELECT tenant, 'copy-' || n, number, stage, attempt, at, level, origin, seq, struck, text
           FROM line, generate_series(1, {copies}) AS n WHERE run = 'seed';
         ANALYZE run; ANALYZE plan; ANALYZE event; ANALYZE record; ANALYZE line"
    );
    sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut sql).await.unwrap();
    sql.close().await.unwrap();
}

/// How many blocks of the database two hundred appends look at, where there are that many runs of twenty appends each.
async fn blocks_of_appends(copies: u32) -> i64 {
    let url = server().database().await;
    let store = super::connect(&url).await;
    let seed = leased(&store, "seed").await;
    for version in 0..20 {
        store.append(&seed, batch(version)).await.unwrap();
    }
    store.close().await;
    multiply(server().connection(&url).await, copies).await;
    let before = blocks(&url).await;
    let store = super::connect(&url).await;
    let writer = leased(&store, "one-more").await;
    for version in 0..200 {
        store.append(&writer, batch(version)).await.unwrap();
    }
    store.close().await;
    blocks(&url).await - before
}

/// Those of our tables and their indexes: a session also reads the server's own, as many as there are sessions. Counted when
/// every other session is over: each adds its own at the latest when it ends.
async fn blocks(url: &str) -> i64 {
    let mut sql = server().connection(url).await;
    loop {
        let (others, blocks): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()),
               sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0) + coalesce(idx_blks_hit, 0)
                 + coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0))::bigint
               FROM pg_statio_user_tables",
        )
        .fetch_one(&mut sql)
        .await
        .unwrap();
        if others == 0 {
            sql.close().await.unwrap();
            return blocks;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Blocks, not time: they are the same whatever else the machine does. An index has a level more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_the_runs_cost_no_more_per_append() {
    let (few, many) = (blocks_of_appends(200).await, blocks_of_appends(2_000).await);
    println!("200 appends: {few} blocks with 200 runs, {many} with 2,000");
    assert!(few > 200 && many < few * 3 / 2, "{few} blocks with 200 runs, {many} with 2,000");
}
