use super::StoreFixture;
use super::fixture::{entry, environment, events, leased, new_run, records, stage, started, tenant};
use super::people::{question, yes};
use crate::{Claim, ClaimAnswer, Release, Store};
use std::time::{Duration, Instant};

/// Far more than a wake takes on a loaded machine, far less than the wait of a test.
const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(60);

async fn count(store: &dyn Store) -> u64 {
    store.changed(&tenant("one"), u64::MAX, Duration::ZERO).await
}

/// Each of these grows the count at once.
pub async fn changes_are_counted_by_everything_visible(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    assert_eq!(count(&*store).await, 0);
    let mut before = 0;
    let mut grown = |now: u64, what: &str| {
        assert!(now > before, "{what} is not counted");
        before = now;
    };
    store.create_run(&one, new_run("r1")).await.unwrap();
    grown(count(&*store).await, "create_run");
    let writer = leased(&*store, "r1").await;
    grown(count(&*store).await, "lease");
    store.append(&writer, events(1, vec![started("build")])).await.unwrap();
    grown(count(&*store).await, "append");
    let production = environment("production");
    store.claim(&writer, &wish(&writer.run)).await.unwrap();
    grown(count(&*store).await, "claim");
    let (id, run, what) = ("a".into(), writer.run.clone(), serde_json::json!(1));
    let release = Release { id, run, at: 1, what, verdict: "unknown".into(), reason: String::new() };
    store.release(&writer, &production, release).await.unwrap();
    grown(count(&*store).await, "release");
    store.judge(&writer, &production, "a", "good", "").await.unwrap();
    grown(count(&*store).await, "judge");
    store.ask(&writer, question(1, 0)).await.unwrap();
    grown(count(&*store).await, "ask");
    store.answer(&one, &writer.run, &stage("gate"), yes(1)).await.unwrap();
    grown(count(&*store).await, "answer");
    store.request_cancel(&one, &writer.run, "ada", "", 1).await.unwrap();
    grown(count(&*store).await, "request_cancel");
    grown(count(&*fixture.open().await).await + 1, "another handle");
}

fn wish(run: &stageway_core::name::RunId) -> Claim {
    let (environment, group) = (environment("production"), "shop main".into());
    Claim { environment, run: run.clone(), stage: stage("deploy"), group, order: 1 }
}

/// Two who wait for the same lock do not wake each other for ever.
pub async fn what_changes_nothing_is_not_counted(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (first, second) = (leased(&*store, "r1").await, leased(&*store, "r2").await);
    store.claim(&first, &wish(&first.run)).await.unwrap();
    let before = count(&*store).await;
    assert_eq!(store.claim(&second, &wish(&second.run)).await.unwrap(), ClaimAnswer::Busy(first.run.clone()));
    store.claim(&first, &wish(&first.run)).await.unwrap();
    store.renew(&first, 90_000).await.unwrap();
    store.create_run(&first.tenant, new_run("r1")).await.unwrap();
    let refused = store.lease(&first.tenant, &first.run, "other", 2_001, 9_000, false).await.unwrap();
    assert_eq!(refused, None);
    assert!(store.append(&first, events(9, vec![started("x")])).await.is_err());
    assert_eq!(count(&*store).await, before);
}

/// A write by another process is noticed without being told.
pub async fn a_change_wakes_another_handle(fixture: &dyn StoreFixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    let writer = leased(&*store, "r1").await;
    let before = count(&*other).await;
    assert_eq!(before, count(&*store).await);
    let begun = Instant::now();
    let write = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        store.append(&writer, records(vec![entry(1, 1)])).await.unwrap();
    };
    let (after, ()) = tokio::join!(other.changed(&writer.tenant, before, LONG), write);
    assert!(after > before && begun.elapsed() < SOON);
    let (begun, missed) = (Instant::now(), other.changed(&writer.tenant, before, LONG).await);
    assert!(missed == after && begun.elapsed() < SOON, "a change before the call is not missed");
}

/// One waiter does not take the change from another.
pub async fn a_change_wakes_every_waiter(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let (before, begun) = (count(&*store).await, Instant::now());
    let wait = || store.changed(&writer.tenant, before, LONG);
    let write = store.append(&writer, records(vec![entry(1, 1)]));
    let (one, two, three, written) = tokio::join!(wait(), wait(), wait(), write);
    written.unwrap();
    assert!([one, two, three].iter().all(|count| *count > before) && begun.elapsed() < SOON);
}

/// The wait lasts as long as it was asked for.
pub async fn changes_of_another_tenant_wake_nobody(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    leased(&*store, "r1").await;
    let (before, begun) = (count(&*store).await, Instant::now());
    let within = Duration::from_millis(250);
    let others = async {
        for id in ["x", "y"] {
            store.create_run(&tenant("two"), new_run(id)).await.unwrap();
        }
    };
    let one = tenant("one");
    let (after, ()) = tokio::join!(store.changed(&one, before, within), others);
    assert_eq!(after, before);
    assert!(begun.elapsed() >= within);
}
