use super::StoreFixture;
use super::fixture::{ended, events, leased, new_run, pipeline, run_id, started, tenant};
use crate::{NewRun, RunFilter, StoreError, Writer};
use stageway_core::run::RunStatus;

/// Made twice, one run stands, with the same number and its first events.
pub async fn a_run_is_made_once(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    assert_eq!(store.run(&one, &run_id("r1")).await.unwrap().map(|run| run.number), None);
    for _ in 0..2 {
        assert_eq!(store.create_run(&one, new_run("r1")).await.unwrap(), 1);
    }
    let run = store.run(&one, &run_id("r1")).await.unwrap().unwrap();
    assert_eq!((run.number, run.version, run.fence), (1, 1, 0));
    assert_eq!((run.id, run.pipeline), (run_id("r1"), pipeline("shop")));
    assert_eq!(run.events, new_run("r1").events);
    assert_eq!(run.plan, new_run("r1").plan);
}

/// One id is one plan.
pub async fn another_plan_under_the_same_id_is_a_conflict(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    store.create_run(&one, new_run("r1")).await.unwrap();
    let other = NewRun { plan: serde_json::json!({"of": "another"}), ..new_run("r1") };
    assert!(matches!(store.create_run(&one, other).await, Err(StoreError::Conflict(_))));
    let other = NewRun { pipeline: pipeline("other"), ..new_run("r1") };
    assert!(matches!(store.create_run(&one, other).await, Err(StoreError::Conflict(_))));
}

/// 1, 2, 3 for one tenant, and from 1 for the next.
pub async fn numbers_count_the_runs_of_a_tenant(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    for (number, id) in [(1, "b"), (2, "a"), (3, "c")] {
        assert_eq!(store.create_run(&tenant("one"), new_run(id)).await.unwrap(), number);
    }
    assert_eq!(store.create_run(&tenant("two"), new_run("x")).await.unwrap(), 1);
}

/// Every filter narrows, `max` bounds, `before` pages.
pub async fn the_list_is_filtered_and_newest_first(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    for id in ["r1", "r2", "r3", "r4"] {
        let name = if id == "r2" { "other" } else { "shop" };
        store.create_run(&one, NewRun { pipeline: pipeline(name), ..new_run(id) }).await.unwrap();
    }
    let writer = super::fixture::lease(&*store, &one, "r3").await;
    store.append(&writer, events(1, vec![ended(RunStatus::Succeeded)])).await.unwrap();
    let all = RunFilter { max: 10, ..RunFilter::default() };
    let shop = RunFilter { pipeline: Some(pipeline("shop")), ..all.clone() };
    let unfinished = RunFilter { unfinished: true, ..all.clone() };
    let before = RunFilter { before: Some(3), ..all.clone() };
    let both = RunFilter { unfinished: true, before: Some(4), ..shop.clone() };
    let none = RunFilter { max: 0, ..all.clone() };
    let two = RunFilter { max: 2, ..all.clone() };
    for (filter, numbers) in [
        (&all, vec![4, 3, 2, 1]),
        (&two, vec![4, 3]),
        (&shop, vec![4, 3, 1]),
        (&unfinished, vec![4, 2, 1]),
        (&before, vec![2, 1]),
        (&both, vec![1]),
        (&none, vec![]),
    ] {
        let found = store.runs(&one, filter).await.unwrap();
        assert_eq!(found.iter().map(|run| run.number).collect::<Vec<_>>(), numbers, "{filter:?}");
    }
}

/// Status and end of a summary are those of the events.
pub async fn the_list_follows_the_events(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let filter = RunFilter { max: 1, ..RunFilter::default() };
    let steps = [
        (vec![], RunStatus::Queued),
        (vec![started("build")], RunStatus::Running),
        (vec![ended(RunStatus::Failed)], RunStatus::Failed),
    ];
    for (version, (step, status)) in steps.into_iter().enumerate() {
        store.append(&writer, events(version.max(1) as u64, step)).await.unwrap();
        let summary = store.runs(&writer.tenant, &filter).await.unwrap().remove(0);
        assert_eq!((summary.status, summary.created_at), (status, 1_000));
        assert_eq!(summary.ended_at, status.is_final().then_some(1_900));
    }
}

/// Another holder waits for the end of the lease; the same one does not.
pub async fn a_lease_belongs_to_one_holder_until_it_ends(fixture: &dyn StoreFixture) {
    let (store, one, run) = (fixture.open().await, tenant("one"), run_id("r1"));
    store.create_run(&one, new_run("r1")).await.unwrap();
    let first = store.lease(&one, &run, "a", 100, 200, false).await.unwrap().unwrap();
    assert_eq!((first.fence, first.until), (1, 200));
    assert_eq!(store.lease(&one, &run, "b", 199, 300, false).await.unwrap(), None);
    let again = store.lease(&one, &run, "a", 150, 250, false).await.unwrap().unwrap();
    assert_eq!((again.fence, again.until), (2, 250));
    let other = store.lease(&one, &run, "b", 250, 350, false).await.unwrap().unwrap();
    assert_eq!(other.fence, 3);
    let writer = Writer { tenant: one.clone(), run: run.clone(), fence: 3 };
    store.renew(&writer, 900).await.unwrap();
    assert_eq!(store.lease(&one, &run, "a", 899, 950, false).await.unwrap(), None);
}

/// Who was fenced out writes nothing more.
pub async fn a_forced_lease_fences_the_one_before(fixture: &dyn StoreFixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    let old = leased(&*store, "r1").await;
    let lease = other.lease(&old.tenant, &old.run, "b", 2_001, 3_000, true).await.unwrap().unwrap();
    assert_eq!(lease.fence, old.fence + 1);
    let refused = store.append(&old, events(1, vec![started("build")])).await;
    let newest = lease.fence;
    assert_eq!(refused, Err(StoreError::Fenced { run: old.run.clone(), given: old.fence, newest }));
    assert_eq!(store.run(&old.tenant, &old.run).await.unwrap().unwrap().version, 1);
    let new = Writer { fence: newest, ..old };
    assert_eq!(other.append(&new, events(1, vec![started("build")])).await, Ok(2));
}

/// An old fence renews nothing, nor does one that was never given.
pub async fn renewing_needs_the_newest_fence(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    store.create_run(&tenant("one"), new_run("never")).await.unwrap();
    let never = Writer { tenant: tenant("one"), run: run_id("never"), fence: 0 };
    assert!(matches!(store.renew(&never, 1).await, Err(StoreError::Fenced { newest: 0, .. })));
    let writer = leased(&*store, "r1").await;
    store.renew(&writer, 70_000).await.unwrap();
    for fence in [writer.fence - 1, writer.fence + 1] {
        let other = Writer { fence, ..writer.clone() };
        assert!(matches!(store.renew(&other, 1).await, Err(StoreError::Fenced { .. })));
    }
}

/// A run that does not exist is not found, by whatever method.
pub async fn no_run_can_be_leased_that_is_not_there(fixture: &dyn StoreFixture) {
    let (store, one, run) = (fixture.open().await, tenant("one"), run_id("none"));
    let lease = store.lease(&one, &run, "a", 1, 2, true).await;
    assert!(matches!(lease, Err(StoreError::NotFound(_))));
    let writer = Writer { tenant: one.clone(), run: run.clone(), fence: 1 };
    assert!(matches!(store.renew(&writer, 2).await, Err(StoreError::NotFound(_))));
    let append = store.append(&writer, events(0, vec![started("build")])).await;
    assert!(matches!(append, Err(StoreError::NotFound(_))));
    let lines = store.lines(&one, &run, None, 0, 10).await;
    assert!(matches!(lines, Err(StoreError::NotFound(_))));
    assert_eq!(store.run(&one, &run).await.unwrap().map(|run| run.version), None);
}
