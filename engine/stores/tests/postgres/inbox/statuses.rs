//! Runs that are admitted once, and forges that are told once.

use super::super::replicas::two;
use super::super::run_id;
use super::{admission, claimant, delivery, receive, repository, revision, settlement};
use stageway_core::delivery::{ReportState, StatusReport};
use stageway_core::name::TenantId;
use stageway_core::run::{RunEvent, RunStatus};
use stageway_ports::{
    Batch, Inbox as _, Most, NewStatus, Queue as _, Settlement, Store as _, Telling, Writer,
};
use std::collections::BTreeSet;

/// One push that two have: one run. What was given by hand may be long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_two_admit_is_one_run() {
    let (_, left, right) = two().await;
    let (tenant, long) = (TenantId::local(), "long".repeat(5_000));
    for number in 1..=40 {
        let of = |side: &str| admission(&format!("{side}{number}"), number, &long);
        let (a, b) = tokio::join!(left.admit(&tenant, of("l")), right.admit(&tenant, of("r")));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!(a.new != b.new && a.run == b.run, "{a:?} {b:?}");
        assert_eq!((a.number, b.number), (number, number));
    }
    assert_eq!(left.turns(&tenant, 99, 99).await.unwrap().runs.len(), 40);
    let pending = left.pending(1_000, 99).await.unwrap();
    assert_eq!(pending.len(), 1, "of one commit and context the newest counts");
    let Telling::Run { number, .. } = &pending[0].what else { panic!("{pending:?}") };
    assert_eq!(*number, 40);
}

fn fixed(context: u32) -> NewStatus {
    let (context, description) = (format!("context {context}"), "nothing has changed".into());
    let report = StatusReport { context, state: ReportState::Skipped, description, link: None };
    NewStatus { repository: repository("shop"), revision: revision(1), report }
}

/// Nobody tells what another tells just now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_given_to_one_of_two() {
    let (_, left, right) = two().await;
    receive(&left, delivery("d1", "shop", vec![])).await;
    let claimed = left.take_up(5_000, 6_000, Most::of(1), None).await.unwrap();
    let settlement = Settlement { statuses: (0..60).map(fixed).collect(), ..settlement() };
    left.settle(&claimant(&claimed[0]), settlement).await.unwrap();
    let mut all = BTreeSet::new();
    while all.len() < 60 {
        let (a, b) = tokio::join!(left.pending(1_000, 7), right.pending(1_000, 7));
        for one in a.unwrap().iter().chain(&b.unwrap()) {
            assert!(all.insert(one.number), "{one:?} was given out twice");
        }
    }
    assert_eq!(right.pending(600_999, 99).await.unwrap(), []);
    assert_eq!(right.pending(601_000, 99).await.unwrap().len(), 60, "whoever had them is gone");
}

/// What is told just now is finished before the newer one is given out, so that the newer one is the last word.
#[tokio::test]
async fn a_newer_status_waits_for_the_one_that_is_being_told() {
    let (_, left, right) = two().await;
    let tenant = TenantId::local();
    left.admit(&tenant, admission("r1", 1, "")).await.unwrap();
    let told = left.pending(1_000, 9).await.unwrap();
    assert_eq!(told.len(), 1);
    right.admit(&tenant, admission("r2", 2, "")).await.unwrap();
    assert_eq!(right.pending(1_000, 9).await.unwrap(), []);
    left.told(&told[0]).await.unwrap();
    let newer = right.pending(1_000, 9).await.unwrap();
    assert!(matches!(&newer[..], [one] if matches!(&one.what, Telling::Run { number: 2, .. })), "{newer:?}");
    right.told(&newer[0]).await.unwrap();
    let lease = left.lease(&tenant, &run_id("r2"), "test", 1, 2, true).await.unwrap().unwrap();
    let writer = Writer { tenant, run: run_id("r2"), fence: lease.fence };
    let events = vec![RunEvent::Ended { at: 9, status: RunStatus::Failed }];
    left.append(&writer, Batch { events, ..Batch::default() }).await.unwrap();
    assert_eq!(left.pending(1_000, 9).await.unwrap().len(), 1);
}
