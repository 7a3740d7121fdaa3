use super::InboxFixture;
use super::fixture::{claimant, delivery, outcome, receipt, taken_in, tenant};
use crate::{Claimant, Claimed, Most, NewDelivery, Settlement, StoreError};
use stageway_core::name::RepositoryId;

fn elsewhere(id: &str) -> NewDelivery {
    NewDelivery { repository: Some(RepositoryId::new("other").unwrap()), ..delivery(id, vec![]) }
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.delivery.id.as_str()).collect()
}

fn settlement() -> Settlement {
    Settlement { outcome: outcome("done"), ..Settlement::default() }
}

/// A ping is done as soon as it is stored.
pub async fn a_delivery_that_needs_nothing_is_not_given_out(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let ping = NewDelivery { outcome: Some(outcome("a test")), ..delivery("d1", vec![]) };
    inbox.receive(&tenant("one"), ping).await.unwrap();
    assert_eq!(inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap(), []);
}

/// Of all tenants, by whoever asks first.
pub async fn open_deliveries_are_given_out_in_order_and_once(fixture: &dyn InboxFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    for (name, id) in [("one", "d1"), ("two", "d2"), ("one", "d3")] {
        one.receive(&tenant(name), delivery(id, vec![])).await.unwrap();
    }
    let claimed = one.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    assert_eq!(ids(&claimed), ["d1", "d2", "d3"]);
    assert_eq!(claimed[1].tenant, tenant("two"));
    assert_eq!(claimed[0].delivery.attempts, 1);
    assert_eq!(other.take_up(5_000, 6_000, Most::of(9), None).await.unwrap(), []);
}

/// What a killed process held is given out again.
pub async fn a_claim_ends_with_its_time_or_when_it_is_forgotten(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.receive(&tenant("one"), delivery("d1", vec![])).await.unwrap();
    assert_eq!(inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap().len(), 1);
    assert_eq!(inbox.take_up(5_999, 7_000, Most::of(9), None).await.unwrap(), []);
    assert_eq!(inbox.take_up(6_000, 7_000, Most::of(9), None).await.unwrap().len(), 1);
    assert_eq!(inbox.take_up(6_001, 7_000, Most::of(9), None).await.unwrap(), []);
    inbox.forget_claims().await.unwrap();
    let third = inbox.take_up(6_001, 7_000, Most::of(9), None).await.unwrap();
    assert_eq!((third[0].fence, third[0].delivery.attempts), (3, 3));
}

/// Whoever lost its claim writes nothing, and nothing is settled twice.
pub async fn only_the_newest_claim_settles(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.receive(&tenant("one"), delivery("d1", vec![])).await.unwrap();
    let lost = inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    let held = inbox.take_up(6_000, 7_000, Most::of(9), None).await.unwrap();
    let refused = inbox.settle(&claimant(&lost[0]), settlement()).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert!(inbox.postpone(&claimant(&lost[0]), 1, "").await.is_err());
    inbox.settle(&claimant(&held[0]), settlement()).await.unwrap();
    let twice = inbox.settle(&claimant(&held[0]), settlement()).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let kept = inbox.delivery(&tenant("one"), &receipt("d1")).await.unwrap().unwrap();
    assert_eq!(kept.outcome, Some(outcome("done")));
    assert_eq!(inbox.take_up(9_000, 9_001, Most::of(9), None).await.unwrap(), []);
}

/// Moves of a ref are taken in in their order; other repositories go on.
pub async fn a_repository_waits_for_its_oldest_delivery(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.receive(&tenant("one"), delivery("d1", vec![])).await.unwrap();
    let first = inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    inbox.receive(&tenant("one"), delivery("d2", vec![])).await.unwrap();
    inbox.receive(&tenant("one"), elsewhere("d3")).await.unwrap();
    assert_eq!(ids(&inbox.take_up(5_000, 5_001, Most::of(9), None).await.unwrap()), ["d3"]);
    inbox.postpone(&claimant(&first[0]), 8_000, "the forge does not answer").await.unwrap();
    assert_eq!(
        ids(&inbox.take_up(5_001, 5_002, Most::of(9), None).await.unwrap()),
        ["d3"],
        "d2 waits for d1"
    );
    let kept = inbox.delivery(&tenant("one"), &receipt("d1")).await.unwrap().unwrap();
    assert_eq!(kept.trouble.as_deref(), Some("the forge does not answer"));
    assert_eq!(ids(&inbox.take_up(8_000, 9_000, Most::of(9), None).await.unwrap()), ["d1", "d2", "d3"]);
}

/// A tenant that has enough under way waits; others do not wait for it.
pub async fn nothing_is_given_out_of_a_tenant_that_is_excepted(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    for (name, id) in [("one", "d1"), ("two", "d2"), ("one", "d3")] {
        inbox.receive(&tenant(name), delivery(id, vec![])).await.unwrap();
    }
    assert_eq!(ids(&inbox.take_up(5_000, 6_000, Most::of(9), Some(&tenant("one"))).await.unwrap()), ["d2"]);
    assert_eq!(inbox.take_up(5_000, 6_000, Most::of(9), Some(&tenant("one"))).await.unwrap(), []);
    assert_eq!(
        ids(&inbox.take_up(5_000, 6_000, Most::of(9), Some(&tenant("two"))).await.unwrap()),
        ["d1", "d3"]
    );
}

/// A repository with many does not keep others from being given out.
pub async fn so_many_are_given_out_of_so_many_repositories(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    for id in ["d1", "d2", "d3"] {
        inbox.receive(&tenant("one"), delivery(id, vec![])).await.unwrap();
    }
    inbox.receive(&tenant("one"), elsewhere("d4")).await.unwrap();
    for (name, id) in [("two", "d5"), ("two", "d6"), ("one", "d7")] {
        inbox.receive(&tenant(name), delivery(id, vec![])).await.unwrap();
    }
    let most = Most { lanes: 2, each: 2 };
    assert_eq!(ids(&inbox.take_up(5_000, 6_000, most, None).await.unwrap()), ["d1", "d2", "d4"]);
    assert_eq!(ids(&inbox.take_up(5_000, 6_000, most, None).await.unwrap()), ["d5", "d6"]);
    assert_eq!(inbox.take_up(5_000, 6_000, most, None).await.unwrap(), []);
}

/// Of several that are settled at once all are, or none.
pub async fn several_settle_together_or_not_at_all(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    for id in ["d1", "d2", "d3"] {
        inbox.receive(&tenant("one"), delivery(id, vec![])).await.unwrap();
    }
    let held = inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    let all = |fences: [u64; 3]| {
        let of = |(one, fence): (&Claimed, u64)| (Claimant { fence, ..claimant(one) }, settlement());
        held.iter().zip(fences).map(of).collect::<Vec<_>>()
    };
    let refused = inbox.settle_all(&tenant("one"), &all([1, 9, 1])).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    for id in ["d1", "d2", "d3"] {
        let kept = inbox.delivery(&tenant("one"), &receipt(id)).await.unwrap().unwrap();
        assert_eq!(kept.outcome, None, "{id}");
    }
    assert_eq!(inbox.settle_all(&tenant("one"), &all([1, 1, 1])).await.unwrap(), vec![vec![]; 3]);
    for id in ["d1", "d2", "d3"] {
        let kept = inbox.delivery(&tenant("one"), &receipt(id)).await.unwrap().unwrap();
        assert_eq!(kept.outcome, Some(outcome("done")), "{id}");
    }
}

/// As somebody wishes who wants to see it once more.
pub async fn a_settled_delivery_may_be_opened_again(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    taken_in(&*inbox, "d1", vec![], |_| {}).await;
    inbox.reopen(&tenant("one"), &receipt("d1")).await.unwrap();
    let open = inbox.reopen(&tenant("one"), &receipt("d1")).await;
    assert!(matches!(open, Err(StoreError::Conflict(_))), "{open:?}");
    let claimed = inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    assert_eq!((ids(&claimed), claimed[0].fence), (vec!["d1"], 2));
    let absent = inbox.reopen(&tenant("one"), &receipt("d9")).await;
    assert!(matches!(absent, Err(StoreError::NotFound(_))), "{absent:?}");
}
