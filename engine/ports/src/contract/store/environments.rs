use super::StoreFixture;
use super::fixture::{ended, environment, events, lease, leased, stage, tenant};
use crate::{Batch, Claim, ClaimAnswer, Release, Store, StoreError, Writer};
use stageway_core::run::RunStatus;

fn wish(writer: &Writer, name: &str, order: u64) -> Claim {
    Claim {
        environment: environment("production"),
        run: writer.run.clone(),
        stage: stage(name),
        group: "shop main".into(),
        order,
    }
}

async fn claim(store: &dyn Store, writer: &Writer, name: &str, order: u64) -> ClaimAnswer {
    store.claim(writer, &wish(writer, name, order)).await.unwrap()
}

fn give_back(name: &str) -> Batch {
    Batch { release_claims: vec![(environment("production"), stage(name))], ..Batch::default() }
}

fn release(writer: &Writer, id: &str) -> Release {
    Release {
        id: id.into(),
        run: writer.run.clone(),
        at: 1_500,
        what: serde_json::json!({"image": id}),
        verdict: "unknown".into(),
        reason: String::new(),
    }
}

/// Held is held, under the same fence.
pub async fn a_claim_holds_and_answers_the_same_again(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    for _ in 0..2 {
        assert_eq!(claim(&*store, &writer, "deploy", 1).await, ClaimAnswer::Held(1));
    }
    let other = Claim { environment: environment("staging"), ..wish(&writer, "deploy", 1) };
    assert_eq!(store.claim(&writer, &other).await.unwrap(), ClaimAnswer::Held(1));
}

/// One stage of one run; another stage of the same run waits like everybody.
pub async fn an_environment_has_one_holder(fixture: &dyn StoreFixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    let first = leased(&*store, "r1").await;
    let second = leased(&*other, "r2").await;
    assert_eq!(claim(&*store, &first, "deploy", 1).await, ClaimAnswer::Held(1));
    assert_eq!(claim(&*other, &second, "deploy", 2).await, ClaimAnswer::Busy(first.run.clone()));
    assert_eq!(claim(&*store, &first, "observe", 1).await, ClaimAnswer::Busy(first.run.clone()));
    store.append(&first, give_back("observe")).await.unwrap();
    assert_eq!(claim(&*other, &second, "deploy", 2).await, ClaimAnswer::Busy(first.run.clone()));
}

/// Once a later run held it, an older one of the group never does; it need not wait to learn that.
pub async fn a_claim_of_an_older_run_is_outdated(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let old = leased(&*store, "old").await;
    let new = leased(&*store, "new").await;
    assert_eq!(claim(&*store, &old, "promote", 1).await, ClaimAnswer::Held(1));
    store.append(&old, give_back("promote")).await.unwrap();
    assert_eq!(claim(&*store, &new, "promote", 2).await, ClaimAnswer::Held(2));
    assert_eq!(claim(&*store, &old, "deploy", 1).await, ClaimAnswer::Outdated(new.run.clone()));
    store.append(&new, give_back("promote")).await.unwrap();
    assert_eq!(claim(&*store, &old, "deploy", 1).await, ClaimAnswer::Outdated(new.run.clone()));
    assert_eq!(claim(&*store, &new, "deploy", 2).await, ClaimAnswer::Held(3));
}

/// Another pipeline or branch waits, but is never outdated.
pub async fn groups_do_not_order_each_other(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (left, right) = (leased(&*store, "left").await, leased(&*store, "right").await);
    assert_eq!(claim(&*store, &left, "deploy", 9).await, ClaimAnswer::Held(1));
    let other = Claim { group: "other main".into(), ..wish(&right, "deploy", 1) };
    assert_eq!(store.claim(&right, &other).await.unwrap(), ClaimAnswer::Busy(left.run.clone()));
    store.append(&left, give_back("deploy")).await.unwrap();
    assert_eq!(store.claim(&right, &other).await.unwrap(), ClaimAnswer::Held(2));
}

/// Given back with the events that say why.
pub async fn a_claim_ends_with_its_batch(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (first, second) = (leased(&*store, "r1").await, leased(&*store, "r2").await);
    claim(&*store, &first, "deploy", 1).await;
    let refused = Batch { ..events(9, vec![ended(RunStatus::Failed)]) };
    let refused = Batch { release_claims: give_back("deploy").release_claims, ..refused };
    assert!(store.append(&first, refused).await.is_err());
    assert_eq!(claim(&*store, &second, "deploy", 2).await, ClaimAnswer::Busy(first.run.clone()));
    store.append(&first, give_back("deploy")).await.unwrap();
    assert_eq!(claim(&*store, &second, "deploy", 2).await, ClaimAnswer::Held(2));
}

/// A run that has ended holds nothing, and claims nothing more.
pub async fn a_claim_ends_with_its_run(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (first, second) = (leased(&*store, "r1").await, leased(&*store, "r2").await);
    claim(&*store, &first, "deploy", 1).await;
    store.append(&first, events(1, vec![ended(RunStatus::Failed)])).await.unwrap();
    assert_eq!(claim(&*store, &second, "deploy", 2).await, ClaimAnswer::Held(2));
    let late = store.claim(&first, &wish(&first, "deploy", 1)).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))));
}

/// Whoever takes a run over claims again.
pub async fn a_claim_ends_with_the_next_lease(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (first, second) = (leased(&*store, "r1").await, leased(&*store, "r2").await);
    claim(&*store, &first, "deploy", 1).await;
    let taken = lease(&*store, &tenant("one"), "r1").await;
    let fenced = store.claim(&first, &wish(&first, "deploy", 1)).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })));
    assert_eq!(claim(&*store, &second, "deploy", 2).await, ClaimAnswer::Held(2));
    assert_eq!(claim(&*store, &taken, "deploy", 1).await, ClaimAnswer::Outdated(second.run));
}

/// Nobody claims for another.
pub async fn a_claim_needs_the_fence_and_its_own_run(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (first, second) = (leased(&*store, "r1").await, leased(&*store, "r2").await);
    let stale = Writer { fence: first.fence + 1, ..first.clone() };
    let fenced = store.claim(&stale, &wish(&first, "deploy", 1)).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })));
    let foreign = store.claim(&first, &wish(&second, "deploy", 1)).await;
    assert!(matches!(foreign, Err(StoreError::Conflict(_))));
    assert_eq!(claim(&*store, &second, "deploy", 1).await, ClaimAnswer::Held(1));
}

/// The same id is one release; each environment has its own.
pub async fn releases_are_recorded_once_and_newest_first(fixture: &dyn StoreFixture) {
    let (store, production) = (fixture.open().await, environment("production"));
    let writer = leased(&*store, "r1").await;
    assert_eq!(store.releases(&writer.tenant, &production, 9).await.unwrap(), []);
    claim(&*store, &writer, "deploy", 1).await;
    for id in ["a", "b", "a", "c"] {
        store.release(&writer, &production, release(&writer, id)).await.unwrap();
    }
    let found = fixture.open().await.releases(&writer.tenant, &production, 9).await.unwrap();
    assert_eq!(found, ["c", "b", "a"].map(|id| release(&writer, id)));
    let found = store.releases(&writer.tenant, &production, 1).await.unwrap();
    assert_eq!(found, [release(&writer, "c")]);
    let other = Release { what: serde_json::json!("other"), ..release(&writer, "a") };
    let refused = store.release(&writer, &production, other).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    assert_eq!(store.releases(&writer.tenant, &environment("staging"), 9).await.unwrap(), []);
}

/// Without the lock, or for another run, nothing is recorded.
pub async fn a_release_needs_the_lock(fixture: &dyn StoreFixture) {
    let (store, production) = (fixture.open().await, environment("production"));
    let (first, second) = (leased(&*store, "r1").await, leased(&*store, "r2").await);
    claim(&*store, &first, "deploy", 1).await;
    let without = store.release(&second, &production, release(&second, "a")).await;
    assert!(matches!(without, Err(StoreError::Conflict(_))));
    let foreign = store.release(&first, &production, release(&second, "a")).await;
    assert!(matches!(foreign, Err(StoreError::Conflict(_))));
    let staging = store.release(&first, &environment("staging"), release(&first, "a")).await;
    assert!(matches!(staging, Err(StoreError::Conflict(_))));
    assert_eq!(store.releases(&first.tenant, &production, 9).await.unwrap(), []);
}

/// The verdict and its reason are kept; a release that is not there cannot be judged.
pub async fn a_release_is_judged(fixture: &dyn StoreFixture) {
    let (store, production) = (fixture.open().await, environment("production"));
    let writer = leased(&*store, "r1").await;
    claim(&*store, &writer, "deploy", 1).await;
    store.release(&writer, &production, release(&writer, "a")).await.unwrap();
    let judge = |release, verdict, reason| store.judge(&writer, &production, release, verdict, reason);
    assert!(matches!(judge("none", "good", "").await, Err(StoreError::NotFound(_))));
    for (verdict, reason, kept) in [
        ("unknown", "rolled out", "rolled out"),
        ("unknown", "again", "rolled out"),
        ("good", "quiet", "quiet"),
        ("good", "again", "quiet"),
        ("bad", "5xx", "5xx"),
    ] {
        judge("a", verdict, reason).await.unwrap();
        let found = store.releases(&writer.tenant, &production, 1).await.unwrap().remove(0);
        assert_eq!((found.verdict.as_str(), found.reason.as_str()), (verdict, kept));
    }
    let stale = Writer { fence: writer.fence + 1, ..writer.clone() };
    let fenced = store.judge(&stale, &production, "a", "good", "").await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })));
}
