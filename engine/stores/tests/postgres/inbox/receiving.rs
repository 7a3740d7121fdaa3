//! What comes to two engines at once.

use super::super::replicas::two;
use super::super::{opened, server};
use super::{claimant, delivery, moved, receive};
use stageway_core::delivery::Reference;
use stageway_core::name::TenantId;
use stageway_ports::{Inbox as _, Most, Moved, Store as _};
use std::time::{Duration, Instant};

/// Forty moves of one ref, half here and half there: each has a generation of its own, in the order of their numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_of_a_ref_that_come_at_once_have_their_own_generations() {
    let (_, left, right) = two().await;
    let mut receives = tokio::task::JoinSet::new();
    for number in 1..=40 {
        let store = if number % 2 == 0 { left.clone() } else { right.clone() };
        let new = delivery(&format!("d{number}"), "shop", vec![moved(1_000 + number, 2_000 + number)]);
        receives.spawn(async move { receive(&store, new).await });
    }
    assert!(receives.join_all().await.into_iter().all(|first| first));
    let claimed = left.take_up(5_000, 6_000, Most::of(99), None).await.unwrap();
    let generations: Vec<u64> = claimed.iter().map(|one| one.moves[0].generation).collect();
    assert_eq!(generations, (1..=40).collect::<Vec<_>>());
    for pair in claimed.windows(2) {
        assert_eq!(pair[1].moves[0].known, pair[0].moves[0].moved.after);
    }
}

/// The refs of two deliveries in opposite order: nobody waits for the other in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_with_the_same_refs_take_turns() {
    let (url, left, right) = two().await;
    for round in 0..20 {
        let of = |tag: u32| Moved {
            reference: Reference::of_tag(&format!("v{tag}")).unwrap(),
            ..moved(2 * round + 1, 2 * round + 2)
        };
        let up = delivery(&format!("up{round}"), "shop", (0..10).map(of).collect());
        let down = delivery(&format!("down{round}"), "shop", (0..10).rev().map(of).collect());
        tokio::join!(receive(&left, up), receive(&right, down));
    }
    // That it would be in the log is shown by another error.
    let mut connection = server().connection(&url).await;
    assert!(sqlx::raw_sql("SELECT 1 / 0").execute(&mut connection).await.is_err());
    let log = server().log(&url);
    let tells = |words: &str| log.iter().any(|line| line.contains(words));
    assert!(tells("division by zero") && !tells("deadlock"), "{log:?}");
    let claimed = left.take_up(5_000, 6_000, Most::of(99), None).await.unwrap();
    let newest = claimed.iter().flat_map(|one| &one.moves).map(|one| one.generation).max();
    assert_eq!(newest, Some(20), "what is told twice is one move");
}

/// The forge tells both at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_comes_to_two_is_one() {
    let (url, left, right) = two().await;
    let tenant = TenantId::local();
    for round in 0..40 {
        let of = |side: &str| {
            let mut new = delivery(&format!("{side}{round}"), "shop", vec![moved(round + 1, round + 2)]);
            new.key = format!("key-{round}").parse().unwrap();
            new
        };
        let (a, b) = tokio::join!(left.receive(&tenant, of("l")), right.receive(&tenant, of("r")));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.first != b.first && a.id == b.id, "{a:?} {b:?}");
    }
    let mut admin = server().connection(&url).await;
    let bodies: i64 = sqlx::query_scalar("SELECT count(*) FROM stageway.delivery_body")
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(bodies, 40, "nothing is left of those that came second");
}

/// Whoever waits for the tenant's changes hears of a delivery that came to another engine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_wakes_the_other_engine() {
    let (_, left, right) = two().await;
    let tenant = TenantId::local();
    receive(&left, delivery("d0", "shop", vec![])).await;
    // Its listener is up when it has heard something.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut late = 0;
    for number in 1..=10 {
        let since = right.changed(&tenant, u64::MAX, Duration::ZERO).await;
        let wait = right.changed(&tenant, since, Duration::from_secs(60));
        let new = delivery(&format!("d{number}"), "shop", vec![]);
        let write = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            receive(&left, new).await;
            Instant::now()
        };
        let ((count, woken), written) = tokio::join!(async { (wait.await, Instant::now()) }, write);
        assert!(count > since);
        late += u32::from(woken.saturating_duration_since(written) > Duration::from_millis(400));
    }
    assert!(late <= 1, "{late} of 10 wakes were late");
    assert_eq!(right.take_up(5_000, 6_000, Most::of(99), None).await.unwrap().len(), 11);
}

/// As large as a forge sends, with texts that hold what PostgreSQL's text does not.
#[tokio::test]
async fn a_delivery_of_25_mebibytes_is_kept_as_it_came() {
    let (store, tenant) = (opened().await, TenantId::local());
    let mut new = delivery("d1", "shop", vec![]);
    new.body = (0..=255).cycle().take(25 << 20).collect();
    new.event = "a\0b".into();
    new.headers = vec![("x-odd".into(), "\0".into())];
    store.receive(&tenant, new.clone()).await.unwrap();
    let held = store.take_up(5_000, 6_000, Most::of(1), None).await.unwrap();
    store.postpone(&claimant(&held[0]), 1, "not \0 now").await.unwrap();
    let kept = store.delivery(&tenant, &new.id).await.unwrap().unwrap();
    assert_eq!((&kept.event, &kept.headers, kept.size), (&new.event, &new.headers, 25 << 20));
    assert_eq!(kept.trouble.as_deref(), Some("not \0 now"));
    assert!(store.body(&tenant, &new.id).await.unwrap() == Some(new.body));
}
