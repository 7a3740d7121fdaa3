//! What is given out to one engine and to no other.

use super::super::replicas::two;
use super::super::server;
use super::{admission, claimant, delivery, receive, settlement};
use stageway_core::name::TenantId;
use stageway_ports::{Claimed, Inbox as _, Most, StoreError};
use stageway_stores::PostgresStore;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What two have of each other while both empty an inbox.
#[derive(Default)]
struct Shares {
    /// In the order in which they were settled.
    by_repository: BTreeMap<String, Vec<u64>>,
    given: BTreeSet<(String, u64)>,
    shares: BTreeMap<&'static str, usize>,
}

/// Both take up and settle until nothing is left: each delivery is given out once, and those of a repository in their order,
/// whoever has them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_given_to_one_of_two() {
    let (_, left, right) = two().await;
    for number in 0..120 {
        receive(&left, delivery(&format!("d{number}"), &format!("r{}", number % 12), vec![])).await;
    }
    let shares = std::sync::Arc::new(std::sync::Mutex::new(Shares::default()));
    let work = |store: PostgresStore, who: &'static str| {
        let shares = std::sync::Arc::clone(&shares);
        async move {
            let mut idle = 0;
            while idle < 20 {
                let claimed = store.take_up(5_000, 6_000, Most::of(5), None).await.unwrap();
                idle = if claimed.is_empty() { idle + 1 } else { 0 };
                for one in &claimed {
                    store.settle(&claimant(one), settlement()).await.unwrap();
                    let mut shares = shares.lock().unwrap();
                    let new = shares.given.insert((one.delivery.id.to_string(), one.delivery.number));
                    assert!(new && one.fence == 1, "{} was given out twice", one.delivery.id);
                    let repository = one.delivery.repository.as_ref().unwrap().to_string();
                    shares.by_repository.entry(repository).or_default().push(one.delivery.number);
                    *shares.shares.entry(who).or_default() += 1;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    let (a, b) = (tokio::spawn(work(left, "left")), tokio::spawn(work(right, "right")));
    a.await.unwrap();
    b.await.unwrap();
    let shares = shares.lock().unwrap();
    assert_eq!((shares.given.len(), shares.shares.len()), (120, 2), "{:?}", shares.shares);
    for (repository, numbers) in &shares.by_repository {
        assert!(numbers.is_sorted(), "{repository}: {numbers:?}");
    }
}

/// One holds the oldest of a repository: the other has none of that repository, at whatever moment it asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_is_worked_on_by_one() {
    let (_, left, right) = two().await;
    for round in 0..40_u64 {
        let of = format!("r{round}");
        for number in 0..3 {
            receive(&left, delivery(&format!("d{round}-{number}"), &of, vec![])).await;
        }
        let (a, b) = tokio::join!(
            left.take_up(5_000, 6_000, Most::of(1), None),
            right.take_up(5_000, 6_000, Most::of(9), None)
        );
        let (a, b) = (a.unwrap(), b.unwrap());
        // Whoever came second found the lane locked or the oldest claimed.
        assert!(a.is_empty() || b.is_empty(), "{a:?} {b:?}");
        assert_eq!(a.len().max(b.len()), if a.is_empty() { 3 } else { 1 });
        for one in a.iter().chain(&b) {
            left.settle(&claimant(one), settlement()).await.unwrap();
        }
        for one in left.take_up(7_000, 8_000, Most::of(9), None).await.unwrap() {
            left.settle(&claimant(&one), settlement()).await.unwrap();
        }
    }
}

/// A process that stands still in the middle of a transaction holds its lane and no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_somebody_holds_is_passed_over() {
    let (url, left, right) = two().await;
    for (id, of) in [("d1", "held"), ("d2", "free"), ("d3", "held")] {
        receive(&left, delivery(id, of, vec![])).await;
    }
    let mut still = server().connection(&url).await;
    sqlx::raw_sql("BEGIN; SELECT 1 FROM stageway.lane WHERE repository = 'held' FOR UPDATE")
        .execute(&mut still)
        .await
        .unwrap();
    let begun = Instant::now();
    let ids =
        |claimed: Vec<Claimed>| claimed.iter().map(|one| one.delivery.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(right.take_up(5_000, 6_000, Most::of(1), None).await.unwrap()), ["d2"]);
    // Less than the database waits for a lock.
    assert!(begun.elapsed() < Duration::from_secs(6));
    sqlx::raw_sql("COMMIT").execute(&mut still).await.unwrap();
    assert_eq!(ids(right.take_up(5_000, 6_000, Most::of(9), None).await.unwrap()), ["d1", "d3"]);
}

/// Another engine works on what it has.
#[tokio::test]
async fn the_claims_of_another_engine_are_not_forgotten() {
    let (_, left, right) = two().await;
    receive(&left, delivery("d1", "one", vec![])).await;
    left.admit(&TenantId::local(), admission("r1", 1, "")).await.unwrap();
    let held = left.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    assert_eq!((held.len(), left.pending(1_000, 9).await.unwrap().len()), (1, 1));
    right.forget_claims().await.unwrap();
    assert_eq!(right.take_up(5_000, 6_000, Most::of(9), None).await.unwrap(), []);
    assert_eq!(right.pending(1_000, 9).await.unwrap(), []);
    left.forget_claims().await.unwrap();
    let taken = right.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    assert_eq!((taken.len(), right.pending(1_000, 9).await.unwrap().len()), (1, 1));
    let late = left.settle(&claimant(&held[0]), settlement()).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
}

/// Another engine goes on with what it had, long before its claims end.
#[tokio::test]
async fn the_claims_of_an_engine_that_died_are_ended() {
    let (_, left, right) = two().await;
    receive(&left, delivery("d1", "one", vec![])).await;
    left.admit(&TenantId::local(), admission("r1", 1, "")).await.unwrap();
    let held = left.take_up(5_000, 9_000_000, Most::of(9), None).await.unwrap();
    assert_eq!((held.len(), left.pending(1_000, 9).await.unwrap().len()), (1, 1));
    drop(left);
    let begun = Instant::now();
    let (mut taken, mut told) = (0, 0);
    while (taken, told) != (1, 1) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{taken} taken, {told} told");
        tokio::time::sleep(Duration::from_millis(250)).await;
        taken += right.take_up(5_000, 9_000_000, Most::of(9), None).await.unwrap().len();
        told += right.pending(1_000, 9).await.unwrap().len();
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "it had just said that it lives");
}
