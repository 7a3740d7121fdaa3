use super::fixture::tenant;
use super::runs::{admission, end};
use super::{InboxFixture, Memory};
use crate::{Admission, Batch, Freeze, PlaceWish, RunOrigin, StoreError, Turn, Writer};
use stageway_core::name::RunId;
use stageway_core::plan::{Concurrency, WhenNewer};
use stageway_core::run::{RunEvent, RunStatus};
use std::sync::Arc;

const NOW: u64 = 10_000;

fn id(run: &str) -> RunId {
    RunId::new(run).unwrap()
}

fn wish(holder: &str, most: u32) -> PlaceWish<'_> {
    PlaceWish { holder, now: NOW, until: NOW + 1_000, most, alone: false }
}

/// Admits a run of the tenant `one`, in a group or in none.
async fn admit(store: &dyn Memory, run: &str, group: Option<(&str, WhenNewer)>) {
    let generation = run[1..].parse().unwrap();
    let concurrency = group.map(|(group, when_newer)| Concurrency { group: group.into(), when_newer });
    let admission = Admission { concurrency, ..admission(run, generation) };
    assert!(store.admit(&tenant("one"), admission).await.unwrap().new);
}

async fn take(store: &dyn Memory, run: &str, wish: PlaceWish<'_>) -> Option<Writer> {
    let lease = store.take_place(&tenant("one"), &id(run), wish).await.unwrap()?;
    Some(Writer { tenant: tenant("one"), run: id(run), fence: lease.fence })
}

async fn finish(store: &dyn Memory, writer: &Writer) {
    let events = vec![RunEvent::Ended { at: 9, status: RunStatus::Succeeded }];
    store.append(writer, Batch { expected: 1, events, ..Batch::default() }).await.unwrap();
}

fn names(runs: &[RunOrigin]) -> String {
    runs.iter().map(|origin| origin.run.as_str()).collect::<Vec<_>>().join(" ")
}

/// Places that are taken, and who could have the next.
async fn next(store: &dyn Memory) -> (u32, String) {
    let queued = store.next(&tenant("one"), 9).await.unwrap();
    (queued.taken, names(&queued.next))
}

fn said(taken: u32, next: &str) -> (u32, String) {
    (taken, next.to_owned())
}

async fn is_ending(store: &dyn Memory, run: &str) -> Option<String> {
    store.cancel_request(&tenant("one"), &id(run)).await.unwrap().map(|(_, reason, _)| reason)
}

/// Oldest first; a run that nobody admitted has no place here, and an ended one gives its place back.
pub async fn places_are_taken_in_order(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    store.create_run(&tenant("one"), super::super::store::new_run("alone")).await.unwrap();
    store.lease(&tenant("one"), &id("alone"), "me", NOW, NOW + 1, false).await.unwrap();
    for run in ["r1", "r2", "r3"] {
        admit(store, run, None).await;
    }
    assert_eq!(next(store).await, said(0, "r1 r2 r3"));
    assert_eq!(names(&store.next(&tenant("one"), 2).await.unwrap().next), "r1 r2");
    let first = take(store, "r1", wish("a", 2)).await.unwrap();
    assert!(take(store, "r2", wish("b", 2)).await.is_some());
    assert_eq!(next(store).await, said(2, "r3"));
    assert_eq!(take(store, "r3", wish("a", 2)).await, None, "two of two are taken");
    finish(store, &first).await;
    assert_eq!(next(store).await, said(1, "r3"));
    assert!(take(store, "r3", wish("a", 2)).await.is_some());
    assert_eq!(take(store, "r1", wish("a", 9)).await, None, "it has ended");
    assert_eq!(next(store).await, said(2, ""));
    assert_eq!(store.next(&tenant("two"), 9).await.unwrap(), Default::default());
}

/// And it takes it again also where all are taken; whoever takes it over from a dead holder finds it without one.
pub async fn a_run_that_only_waits_has_no_place(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    for run in ["r1", "r2", "r3"] {
        admit(store, run, None).await;
    }
    let first = take(store, "r1", wish("a", 1)).await.unwrap();
    assert_eq!(take(store, "r2", wish("a", 1)).await, None);
    store.rest(&first, true).await.unwrap();
    assert_eq!(next(store).await, said(0, "r2 r3"));
    let second = take(store, "r2", wish("a", 1)).await.unwrap();
    store.rest(&first, false).await.unwrap();
    assert_eq!(next(store).await, said(2, "r3"));
    store.rest(&first, true).await.unwrap();
    let left = store.left(&tenant("one"), PlaceWish { alone: true, ..wish("b", 1) }, 9).await.unwrap();
    assert!(left.len() == 2 && left.iter().all(|origin| origin.number < 3), "{left:?}");
    let third = take(store, "r1", PlaceWish { alone: true, ..wish("b", 1) }).await.unwrap();
    assert_eq!(next(store).await, said(2, "r3"), "whoever drives it says again that it only waits");
    let fenced = store.rest(&first, true).await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    store.rest(&third, true).await.unwrap();
    while store.mend(&tenant("one")).await.unwrap() {}
    assert_eq!(next(store).await, said(1, "r3"), "it is in order as it is");
    finish(store, &third).await;
    finish(store, &second).await;
    assert_eq!(next(store).await, said(0, "r3"));
}

/// Several engines ask at the same time, each for all of them.
pub async fn no_more_places_are_given_out_than_there_are(fixture: &dyn InboxFixture) {
    let store = fixture.open().await;
    for number in 1..=12 {
        admit(&*store, &format!("r{number}"), None).await;
    }
    let mut engines = Vec::new();
    for engine in ["a", "b", "c"] {
        let store: Arc<dyn Memory> = fixture.open().await;
        engines.push(tokio::spawn(async move {
            let mut taken = 0;
            for number in 1..=12 {
                taken += u32::from(take(&*store, &format!("r{number}"), wish(engine, 5)).await.is_some());
            }
            taken
        }));
    }
    let mut taken = 0;
    for engine in engines {
        taken += engine.await.unwrap();
    }
    assert_eq!((taken, next(&*store).await.0), (5, 5));
}

/// Another group, and a run without one, do not mind.
pub async fn runs_of_a_group_have_places_one_after_the_other(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    let main = Some(("main", WhenNewer::Wait));
    for (run, group) in [("r1", main), ("r2", main), ("r3", Some(("other", WhenNewer::Wait))), ("r4", None)] {
        admit(store, run, group).await;
    }
    admit(store, "r5", main).await;
    assert_eq!(next(store).await, said(0, "r1 r3 r4"));
    assert_eq!(take(store, "r2", wish("a", 9)).await, None, "it is behind another");
    let first = take(store, "r1", wish("a", 9)).await.unwrap();
    assert_eq!(next(store).await, said(1, "r3 r4"));
    finish(store, &first).await;
    assert_eq!(next(store).await, said(0, "r2 r3 r4"));
    let second = take(store, "r2", wish("a", 9)).await.unwrap();
    finish(store, &second).await;
    assert_eq!(next(store).await, said(0, "r3 r4 r5"));
    end(store, "r5", RunStatus::Cancelled).await;
    admit(store, "r6", main).await;
    assert_eq!(next(store).await, said(0, "r3 r4 r6"), "nothing of its group is before it");
}

/// What a newer run means, the older one's own file says.
pub async fn a_newer_run_of_the_group_ends_those_that_give_way(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    let of = |when| Some(("main", when));
    admit(store, "r1", of(WhenNewer::CancelQueued)).await;
    let first = take(store, "r1", wish("a", 9)).await.unwrap();
    admit(store, "r2", of(WhenNewer::CancelQueued)).await;
    assert_eq!(is_ending(store, "r1").await, None, "it has begun");
    admit(store, "r3", of(WhenNewer::Wait)).await;
    assert_eq!(is_ending(store, "r2").await, Some("run r3 is newer".to_owned()));
    assert_eq!(next(store).await, said(1, "r2"), "it takes a place to end, whoever is before it");
    admit(store, "r4", of(WhenNewer::CancelRunning)).await;
    assert_eq!(is_ending(store, "r3").await, None, "it waits for its turn");
    assert_eq!(is_ending(store, "r2").await, Some("run r3 is newer".to_owned()), "the first reason stands");
    let ending = take(store, "r2", wish("a", 9)).await.unwrap();
    finish(store, &ending).await;
    assert_eq!(next(store).await, said(1, ""));
    finish(store, &first).await;
    assert_eq!(next(store).await, said(0, "r3"));
    let third = take(store, "r3", wish("a", 9)).await.unwrap();
    finish(store, &third).await;
    take(store, "r4", wish("a", 9)).await.unwrap();
    admit(store, "r5", Some(("another", WhenNewer::Wait))).await;
    assert_eq!(is_ending(store, "r4").await, None, "that is another group");
    admit(store, "r6", of(WhenNewer::Wait)).await;
    assert_eq!(is_ending(store, "r4").await, Some("run r6 is newer".to_owned()), "though it has begun");
}

/// What was asked to end may end; what has a place keeps it.
pub async fn a_frozen_tenant_gives_places_only_to_end(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    for run in ["r1", "r2", "r3"] {
        admit(store, run, None).await;
    }
    take(store, "r1", wish("a", 9)).await.unwrap();
    let freeze = Freeze { environment: None, reason: String::new(), by: "ada".into(), at: 1 };
    store.freeze(&tenant("one"), freeze.clone()).await.unwrap();
    store.request_cancel(&tenant("one"), &id("r3"), "ada", "", 1).await.unwrap();
    let queued = store.next(&tenant("one"), 9).await.unwrap();
    assert_eq!((queued.frozen, queued.taken, names(&queued.next).as_str()), (true, 1, "r3"));
    store.thaw(&tenant("one"), freeze).await.unwrap();
    assert_eq!(next(store).await, said(1, "r2 r3"));
}

/// Its lease has ended, or nobody else can be there.
pub async fn a_place_whose_holder_is_gone_is_taken_again(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    for run in ["r1", "r2"] {
        admit(store, run, None).await;
        take(store, run, wish("a", 2)).await.unwrap();
    }
    let later = |alone, now| PlaceWish { holder: "b", now, until: now + 1_000, most: 1, alone };
    let left = async |wish| names(&store.left(&tenant("one"), wish, 9).await.unwrap());
    assert_eq!(left(later(false, NOW)).await, "");
    assert_eq!(take(store, "r1", later(false, NOW)).await, None, "its holder lives");
    assert_eq!(left(later(false, NOW + 1_000)).await, "r1 r2");
    assert_eq!(left(later(true, NOW)).await, "r1 r2");
    let taken = take(store, "r1", later(false, NOW + 1_000)).await;
    assert_eq!(taken.map(|writer| writer.fence), Some(2), "it had its place");
    assert_eq!(left(later(false, NOW + 1_000)).await, "r2");
    assert!(take(store, "r2", later(true, NOW)).await.is_some());
    assert_eq!(left(later(true, NOW)).await, "");
    assert_eq!(next(store).await, said(2, ""));
}

/// A page of the newest; runs with a place and ended ones are not among them.
pub async fn why_a_run_has_no_place_is_known(fixture: &dyn InboxFixture) {
    let store = &*fixture.open().await;
    let main = Some(("main", WhenNewer::Wait));
    for (run, group) in [("r1", main), ("r2", main), ("r3", main), ("r4", None), ("r5", None)] {
        admit(store, run, group).await;
    }
    take(store, "r1", wish("a", 1)).await.unwrap();
    store.request_cancel(&tenant("one"), &id("r3"), "ada", "", 1).await.unwrap();
    end(store, "r5", RunStatus::Failed).await;
    let turns = store.turns(&tenant("one"), 99, 9).await.unwrap();
    let expected = [(2, Turn::Behind(1)), (3, Turn::Ending), (4, Turn::Next)];
    assert_eq!((turns.taken, turns.runs), (1, expected.into()));
    let page = store.turns(&tenant("one"), 3, 1).await.unwrap();
    assert_eq!(page.runs, [(3, Turn::Ending)].into());
    assert!(!store.mend(&tenant("one")).await.unwrap());
    let again = store.turns(&tenant("one"), 99, 9).await.unwrap();
    assert_eq!(again.runs, expected.into(), "what is in order stays as it is");
}

/// Nobody is left behind when the runs before it end in the same moment.
pub async fn ends_of_one_moment_let_the_next_go(fixture: &dyn InboxFixture) {
    let store = fixture.open().await;
    let main = Some(("main", WhenNewer::CancelQueued));
    for round in 0..8 {
        let name = |number: u32| format!("r{}", round * 3 + number);
        admit(&*store, &name(1), main).await;
        let first = take(&*store, &name(1), wish("a", 9)).await.unwrap();
        admit(&*store, &name(2), main).await;
        store.request_cancel(&tenant("one"), &id(&name(2)), "ada", "", 1).await.unwrap();
        let second = take(&*store, &name(2), wish("a", 9)).await.unwrap();
        let (one, two, three) = (store.clone(), fixture.open().await, fixture.open().await);
        let third = name(3);
        let admitted = tokio::spawn(async move { admit(&*three, &third, main).await });
        let ended = tokio::spawn(async move { finish(&*two, &second).await });
        finish(&*one, &first).await;
        ended.await.unwrap();
        admitted.await.unwrap();
        assert_eq!(next(&*store).await, said(0, &name(3)), "round {round}");
        end(&*store, &name(3), RunStatus::Succeeded).await;
    }
}
