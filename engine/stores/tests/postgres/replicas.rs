//! Two stores with pools of their own, as two engines have them, on one database.

use super::{batch, connect, leased, line, new_run, run_id, server, stage};
use sqlx::Connection as _;
use stageway_core::log::Origin;
use stageway_core::name::{EnvironmentName, TenantId};
use stageway_ports::{Batch, Claim, ClaimAnswer, Store as _, StoreError, Writer};
use stageway_stores::PostgresStore;
use std::time::{Duration, Instant};

pub(crate) async fn two() -> (String, PostgresStore, PostgresStore) {
    let url = server().database().await;
    let (left, right) = tokio::join!(connect(&url), connect(&url));
    (url, left, right)
}

/// Eight at once find an empty database: one migrates, and all work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_at_once_migrate_once() {
    let url = server().database().await;
    let mut starts = tokio::task::JoinSet::new();
    for number in 0..8 {
        let url = url.clone();
        starts.spawn(async move {
            let store = connect(&url).await;
            store.create_run(&TenantId::local(), new_run(&format!("r{number}"))).await.unwrap()
        });
    }
    let mut numbers = starts.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
}

/// Of two who want a run one holds it, a hundred times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_gets_the_lease() {
    let (_, left, right) = two().await;
    let tenant = TenantId::local();
    for number in 0..100 {
        let run = run_id(&format!("r{number}"));
        left.create_run(&tenant, new_run(run.as_str())).await.unwrap();
        let (a, b) = tokio::join!(
            left.lease(&tenant, &run, "left", 100, 200, false),
            right.lease(&tenant, &run, "right", 100, 200, false)
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.is_some() != b.is_some(), "{a:?} {b:?}");
        assert_eq!(a.or(b).unwrap().fence, 1);
    }
}

/// Two take a run from each other without end while both append: what the old holder sends is refused, and what stands is
/// one unbroken row of events, each under a fence that was the newest then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_refuses_the_old_holder() {
    let (_, left, right) = two().await;
    let tenant = TenantId::local();
    left.create_run(&tenant, new_run("r1")).await.unwrap();
    let fight = |store: PostgresStore, holder: &'static str| async move {
        let (tenant, run) = (TenantId::local(), run_id("r1"));
        let (mut done, mut fenced) = (0_u64, 0_u64);
        for _ in 0..30 {
            let lease = store.lease(&tenant, &run, holder, 1, 2, true).await.unwrap().unwrap();
            let mut version = store.run(&tenant, &run).await.unwrap().unwrap().version;
            let writer = Writer { tenant: tenant.clone(), run: run.clone(), fence: lease.fence };
            for _ in 0..4 {
                match store.append(&writer, batch(version)).await {
                    Ok(now) => (version, done) = (now, done + 1),
                    Err(StoreError::Fenced { given, newest, .. }) => {
                        assert!(given < newest);
                        fenced += 1;
                        break;
                    }
                    Err(StoreError::Version { found, .. }) => version = found,
                    Err(other) => panic!("{other}"),
                }
            }
        }
        (done, fenced)
    };
    let (a, b) = (tokio::spawn(fight(left.clone(), "left")), tokio::spawn(fight(right, "right")));
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    let run = left.run(&tenant, &run_id("r1")).await.unwrap().unwrap();
    assert_eq!((run.version, run.fence), (a.0 + b.0, 60));
    assert!(a.1 + b.1 > 0, "nobody was ever fenced: {a:?} {b:?}");
    let lines = left.lines(&tenant, &run_id("r1"), None, 0, u32::MAX).await.unwrap();
    let numbers: Vec<u64> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (1..=run.version).collect::<Vec<_>>());
}

/// Many appends to one run from both sides: lines have numbers without gaps and each stands once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_to_one_run_take_turns() {
    let (_, left, right) = two().await;
    let writer = leased(&left, "r1").await;
    let mut appends = tokio::task::JoinSet::new();
    for number in 0..60_u32 {
        let store = if number % 2 == 0 { left.clone() } else { right.clone() };
        let writer = writer.clone();
        appends.spawn(async move {
            let key = |number: u32| Origin::Engine { key: (number / 2).to_string() };
            let lines = vec![line(key(number), "twice"), line(key(number), "twice")];
            store.append(&writer, Batch { lines, ..Batch::default() }).await.unwrap()
        });
    }
    appends.join_all().await;
    let lines = left.lines(&writer.tenant, &writer.run, None, 0, 99).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
}

/// An environment has one holder, however many engines claim it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_gets_the_environment() {
    let (_, left, right) = two().await;
    let mut writers = Vec::new();
    for number in 0..10 {
        writers.push(leased(&left, &format!("r{number}")).await);
    }
    for round in 0..5 {
        let mut claims = tokio::task::JoinSet::new();
        for (number, writer) in writers.iter().cloned().enumerate() {
            let store = if number % 2 == 0 { left.clone() } else { right.clone() };
            let environment = EnvironmentName::new(format!("e{round}")).unwrap();
            let group = format!("group {number} {}", "long".repeat(2_000));
            let claim = Claim { environment, run: writer.run.clone(), stage: stage(), group, order: 1 };
            claims.spawn(async move { store.claim(&writer, &claim).await.unwrap() });
        }
        let answers = claims.join_all().await;
        let held = answers.iter().filter(|answer| matches!(answer, ClaimAnswer::Held(1))).count();
        let busy = answers.iter().filter(|answer| matches!(answer, ClaimAnswer::Busy(_))).count();
        assert_eq!((held, busy), (1, 9), "{answers:?}");
    }
}

/// Two deliver the same: one run, one number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_run_is_made_once_by_two() {
    let (_, left, right) = two().await;
    let tenant = TenantId::local();
    for number in 1..=50 {
        let new = || new_run(&format!("r{number}"));
        let (a, b) = tokio::join!(left.create_run(&tenant, new()), right.create_run(&tenant, new()));
        assert_eq!((a, b), (Ok(number), Ok(number)));
    }
}

/// A process that is stopped in the middle of a transaction holds its run's row. The server ends that transaction, and
/// another engine has the run within ten seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_stands_still_loses_its_lock() {
    let (url, left, right) = two().await;
    let writer = leased(&left, "r1").await;
    let mut still = server().connection(&url).await;
    // What every connection of an engine has set.
    for statement in [
        "SET idle_in_transaction_session_timeout = '5s'",
        "BEGIN",
        "SELECT 1 FROM stageway.run WHERE id = 'r1' FOR UPDATE",
    ] {
        sqlx::raw_sql(statement).execute(&mut still).await.unwrap();
    }
    let begun = Instant::now();
    let lease = right.lease(&writer.tenant, &writer.run, "right", 10, 20, true).await.unwrap().unwrap();
    let waited = begun.elapsed();
    assert!(waited > Duration::from_secs(3) && waited < Duration::from_secs(30), "{waited:?}");
    assert_eq!(lease.fence, writer.fence + 1);
    assert!(still.ping().await.is_err(), "its session is gone");
    let refused = left.append(&writer, batch(0)).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
}

/// Every connection is cut, again and again: nothing of it is seen by who writes, and nothing is lost or doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_are_made_anew() {
    let (url, left, right) = two().await;
    let writer = leased(&left, "r1").await;
    let waiting = right.changed(&writer.tenant, u64::MAX, Duration::ZERO).await;
    let mut admin = server().connection(&url).await;
    for version in 0..20 {
        sqlx::raw_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'stageway'",
        )
        .execute(&mut admin)
        .await
        .unwrap();
        let store = if version % 2 == 0 { &left } else { &right };
        assert_eq!(store.append(&writer, batch(version)).await, Ok(version + 1));
        assert_eq!(right.run(&writer.tenant, &writer.run).await.unwrap().unwrap().version, version + 1);
    }
    // The listening connection is one of those that were cut.
    let begun = Instant::now();
    let now = right.changed(&writer.tenant, waiting, Duration::from_secs(60)).await;
    assert!(now > waiting && begun.elapsed() < Duration::from_secs(30));
}

/// A wake comes by notification: far sooner than the next look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_told_and_not_found_by_looking() {
    let (_, left, right) = two().await;
    let writer = leased(&left, "r1").await;
    // Its listener is up when it has heard something.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut late = 0;
    for version in 0..20 {
        let since = right.changed(&writer.tenant, u64::MAX, Duration::ZERO).await;
        let wait = right.changed(&writer.tenant, since, Duration::from_secs(60));
        let write = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            left.append(&writer, batch(version)).await.unwrap();
            Instant::now()
        };
        let ((count, woken), written) = tokio::join!(async { (wait.await, Instant::now()) }, write);
        assert!(count > since);
        late += u32::from(woken.saturating_duration_since(written) > Duration::from_millis(400));
    }
    assert!(late <= 10, "{late} of 20 wakes were late");
}

/// A notification that was lost is found by looking.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_nobody_told_is_found() {
    let (url, left, right) = two().await;
    let writer = leased(&left, "r1").await;
    let since = right.changed(&writer.tenant, u64::MAX, Duration::ZERO).await;
    let mut other = server().connection(&url).await;
    let write = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        sqlx::raw_sql("UPDATE stageway.change SET changes = changes + 1").execute(&mut other).await.unwrap();
    };
    let begun = Instant::now();
    let (now, ()) = tokio::join!(right.changed(&writer.tenant, since, Duration::from_secs(60)), write);
    assert!(now > since && begun.elapsed() < Duration::from_secs(30));
}
