use super::InboxFixture;
use super::fixture::{main_branch, moved, repository, revision, taken_in, tenant};
use crate::Moved;
use stageway_core::delivery::Reference;
use std::collections::BTreeMap;

/// By whatever webhook.
pub async fn a_move_that_is_told_twice_has_one_generation(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    for id in ["d1", "d2"] {
        let claimed = taken_in(&*inbox, id, vec![moved('a', 'b')], |_| {}).await;
        assert_eq!((claimed.moves[0].generation, claimed.moves[0].repeated), (1, false), "{id}");
    }
    let next = taken_in(&*inbox, "d3", vec![moved('b', 'c')], |_| {}).await;
    assert_eq!((next.moves[0].generation, next.moves[0].known.clone()), (2, Some(revision('b'))));
}

/// A → B → A → B by force is three runs.
pub async fn a_head_that_comes_back_has_another_generation(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let mut generations = Vec::new();
    for (number, (before, after)) in
        [('a', 'b'), ('b', 'a'), ('a', 'b'), ('b', '-'), ('-', 'b')].iter().enumerate()
    {
        let claimed = taken_in(&*inbox, &format!("d{number}"), vec![moved(*before, *after)], |_| {}).await;
        generations.push((claimed.moves[0].generation, claimed.moves[0].repeated));
    }
    assert_eq!(generations, [(1, false), (2, false), (3, true), (4, false), (5, false)]);
}

/// What turned out to be late does not count when moves are compared.
pub async fn a_move_told_again_after_a_late_one_is_the_same(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    taken_in(&*inbox, "d1", vec![moved('b', 'c')], |_| {}).await;
    let late = taken_in(&*inbox, "d2", vec![moved('a', 'b')], |s| s.late.push(main_branch())).await;
    assert_eq!(late.moves[0].known, Some(revision('c')));
    for id in ["d3", "d4"] {
        let again = taken_in(&*inbox, id, vec![moved('b', 'c')], |_| {}).await;
        assert_eq!(again.moves[0].generation, 1, "{id}");
    }
    let next = taken_in(&*inbox, "d5", vec![moved('c', 'd')], |_| {}).await;
    assert_eq!(next.moves[0].known, Some(revision('c')));
}

/// A fetch saw the head before its delivery came.
pub async fn a_head_that_a_fetch_found_learns_where_it_came_from(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let found = |digit| move |s: &mut crate::Settlement| s.found.push((main_branch(), revision(digit)));
    taken_in(&*inbox, "d1", vec![moved('a', 'b')], found('d')).await;
    let told = taken_in(&*inbox, "d2", vec![moved('c', 'd')], found('d')).await;
    assert_eq!((told.moves[0].generation, told.moves[0].known.clone()), (2, Some(revision('b'))));
    let doubled = taken_in(&*inbox, "d3", vec![moved('c', 'd')], found('d')).await;
    assert_eq!((doubled.moves[0].generation, doubled.moves[0].known.clone()), (2, Some(revision('d'))));
    let back = taken_in(&*inbox, "d4", vec![moved('e', 'd')], found('d')).await;
    assert_eq!(back.moves[0].generation, 3);
}

/// Nobody told of it yet: what was pushed before it may be told first.
pub async fn a_head_that_only_a_fetch_found_makes_nothing_late(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    taken_in(&*inbox, "d1", vec![moved('a', 'b')], |s| s.found.push((main_branch(), revision('d')))).await;
    let head = inbox.head(&tenant("one"), &repository(), &main_branch()).await.unwrap();
    assert_eq!(head, Some(revision('d')));
    let heads = inbox.heads(&tenant("one"), &repository()).await.unwrap();
    assert_eq!(heads, BTreeMap::from([(main_branch(), revision('b'))]), "it may never be told");
    for (id, before, after, generation) in [("d2", 'b', 'c', 3), ("d3", 'c', 'd', 4), ("d4", 'd', 'e', 5)] {
        let told = taken_in(&*inbox, id, vec![moved(before, after)], |_| {}).await;
        let placed = &told.moves[0];
        assert_eq!((placed.generation, placed.known.clone()), (generation, Some(revision(before))), "{id}");
    }
}

/// Late moves do not count, nor do refs that are gone.
pub async fn the_heads_that_are_known_are_the_newest(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let of = async |name: &str| {
        let heads = inbox.heads(&tenant(name), &repository()).await.unwrap();
        let head = inbox.head(&tenant(name), &repository(), &main_branch()).await.unwrap();
        assert_eq!(head.as_ref(), heads.get(&main_branch()));
        heads
    };
    assert!(of("one").await.is_empty());
    taken_in(&*inbox, "d1", vec![moved('a', 'b')], |_| {}).await;
    taken_in(&*inbox, "d2", vec![moved('-', 'a')], |s| s.late.push(main_branch())).await;
    assert_eq!(of("one").await, BTreeMap::from([(main_branch(), revision('b'))]));
    assert!(of("two").await.is_empty());
    taken_in(&*inbox, "d3", vec![moved('b', '-')], |_| {}).await;
    assert!(of("one").await.is_empty());
}

/// Each ref counts for itself.
pub async fn many_refs_of_one_delivery_have_histories_of_their_own(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let other = |before, after| {
        let reference = Reference::of_tag("v1").unwrap();
        Moved { reference, ..moved(before, after) }
    };
    taken_in(&*inbox, "d1", vec![moved('a', 'b')], |_| {}).await;
    let both = taken_in(&*inbox, "d2", vec![moved('b', 'c'), other('-', 'c')], |_| {}).await;
    assert_eq!(both.moves.iter().map(|placed| placed.generation).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(both.moves[1].known, None);
}
