use super::super::store::new_run;
use super::fixture::{claimant, delivery, main_branch, outcome, receipt, repository, revision, tenant};
use super::{InboxFixture, Memory};
use crate::{Admission, Admitted, Batch, Most, RunKey, Settlement, StoreError, Writer};
use stageway_core::name::RunId;
use stageway_core::plan::{Concurrency, WhenNewer};
use stageway_core::run::{RunEvent, RunStatus};

pub(super) fn admission(id: &str, generation: u64) -> Admission {
    let run = new_run(id);
    Admission {
        key: RunKey {
            repository: repository(),
            pipeline: run.pipeline.clone(),
            reference: main_branch(),
            generation,
            kind: "push".into(),
            parameters: String::new(),
        },
        run,
        revision: revision('a'),
        delivery: Some(receipt("d1")),
        concurrency: Some(Concurrency { group: "main".into(), when_newer: WhenNewer::CancelQueued }),
        context: Some("stageway/shop".into()),
        after: None,
        listened: false,
    }
}

pub(super) async fn end(store: &dyn Memory, id: &str, status: RunStatus) {
    let run = RunId::new(id).unwrap();
    let lease = store.lease(&tenant("one"), &run, "test", 1, 2, true).await.unwrap().unwrap();
    let writer = Writer { tenant: tenant("one"), run, fence: lease.fence };
    let events = vec![RunEvent::Ended { at: 9, status }];
    store.append(&writer, Batch { expected: 1, events, ..Batch::default() }).await.unwrap();
}

/// Queued, running and finished runs count alike; another generation is another run.
pub async fn a_run_is_admitted_once_by_its_key(fixture: &dyn InboxFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    let new = |run: &str, number, new| Admitted { run: RunId::new(run).unwrap(), number, new };
    assert_eq!(one.admit(&tenant("one"), admission("r1", 1)).await.unwrap(), new("r1", 1, true));
    assert_eq!(other.admit(&tenant("one"), admission("r2", 1)).await.unwrap(), new("r1", 1, false));
    end(&*one, "r1", RunStatus::Succeeded).await;
    assert_eq!(other.admit(&tenant("one"), admission("r3", 1)).await.unwrap(), new("r1", 1, false));
    assert_eq!(one.admit(&tenant("one"), admission("r4", 2)).await.unwrap(), new("r4", 2, true));
    assert_eq!(one.admit(&tenant("two"), admission("r1", 1)).await.unwrap(), new("r1", 1, true));
    assert_eq!(one.run(&tenant("one"), &RunId::new("r2").unwrap()).await.unwrap().map(|run| run.id), None);
    let conflict = one.admit(&tenant("one"), admission("r1", 3)).await;
    assert!(matches!(conflict, Err(StoreError::Conflict(_))), "{conflict:?}");
}

/// All of it at once, or nothing: a delivery that another settles makes no run.
pub async fn a_delivery_is_settled_with_its_runs(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.admit(&tenant("one"), admission("r1", 1)).await.unwrap();
    inbox.receive(&tenant("one"), delivery("d1", vec![])).await.unwrap();
    let lost = inbox.take_up(5_000, 6_000, Most::of(9), None).await.unwrap();
    let held = inbox.take_up(6_000, 7_000, Most::of(9), None).await.unwrap();
    let runs = || {
        let group =
            |name: &str| Some(Concurrency { group: name.into(), when_newer: WhenNewer::CancelQueued });
        let of = |id, generation, name| Admission { concurrency: group(name), ..admission(id, generation) };
        vec![of("r2", 1, "b"), of("r3", 2, "b"), of("r4", 3, "a")]
    };
    let settlement = |runs| Settlement { outcome: outcome("done"), runs, ..Settlement::default() };
    let refused = inbox.settle(&claimant(&lost[0]), settlement(runs())).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    let twice = vec![admission("r5", 5), admission("r5", 6)];
    let refused = inbox.settle(&claimant(&held[0]), settlement(twice)).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    for run in ["r3", "r5"] {
        assert!(inbox.run(&tenant("one"), &RunId::new(run).unwrap()).await.unwrap().is_none(), "{run}");
    }
    let admitted = inbox.settle(&claimant(&held[0]), settlement(runs())).await.unwrap();
    let told: Vec<_> = admitted.iter().map(|one| (one.run.as_str(), one.number, one.new)).collect();
    assert_eq!(told, [("r1", 1, false), ("r3", 2, true), ("r4", 3, true)]);
    let kept = inbox.delivery(&tenant("one"), &receipt("d1")).await.unwrap().unwrap();
    let runs: Vec<String> = kept.outcome.unwrap().runs.iter().map(RunId::to_string).collect();
    assert_eq!(runs, ["r1", "r3", "r4"]);
}

/// When it has ended, however that was.
pub async fn a_run_that_is_waited_for_is_followed_once(fixture: &dyn InboxFixture) {
    let store = fixture.open().await;
    for (generation, (id, listened)) in [("r1", true), ("r2", false), ("r3", true)].into_iter().enumerate() {
        let admission = admission(id, generation as u64 + 1);
        let after = (id == "r3").then(|| RunId::new("r1").unwrap());
        store.admit(&tenant("one"), Admission { listened, after, ..admission }).await.unwrap();
    }
    assert_eq!(store.unfollowed(9).await.unwrap(), []);
    for (id, status) in
        [("r1", RunStatus::Succeeded), ("r2", RunStatus::Succeeded), ("r3", RunStatus::Failed)]
    {
        end(&*store, id, status).await;
    }
    let found = store.unfollowed(9).await.unwrap();
    let seen: Vec<_> =
        found.iter().map(|(tenant, one)| (tenant.as_str(), one.run.as_str(), one.status)).collect();
    assert_eq!(seen, [("one", "r1", RunStatus::Succeeded), ("one", "r3", RunStatus::Failed)]);
    assert_eq!(found[1].1.after, Some(RunId::new("r1").unwrap()));
    for _ in 0..2 {
        store.followed(&tenant("one"), &RunId::new("r1").unwrap()).await.unwrap();
        store.followed(&tenant("two"), &RunId::new("r3").unwrap()).await.unwrap();
    }
    let left = store.unfollowed(9).await.unwrap();
    assert_eq!(left.iter().map(|(_, one)| one.run.as_str()).collect::<Vec<_>>(), ["r3"]);
}

/// A run that nobody admitted has none.
pub async fn a_run_has_its_origin(fixture: &dyn InboxFixture) {
    let store = fixture.open().await;
    store.create_run(&tenant("one"), new_run("alone")).await.unwrap();
    for (id, generation) in [("r1", 1), ("r2", 2)] {
        store.admit(&tenant("one"), admission(id, generation)).await.unwrap();
    }
    end(&*store, "r2", RunStatus::Failed).await;
    let origin = async |id: &str| store.origin(&tenant("one"), &RunId::new(id).unwrap()).await.unwrap();
    let (expected, first) = (admission("r1", 1), origin("r1").await.unwrap());
    assert_eq!((&first.key, &first.revision), (&expected.key, &expected.revision));
    assert_eq!((&first.delivery, &first.concurrency), (&expected.delivery, &expected.concurrency));
    assert_eq!((first.number, first.status), (2, RunStatus::Queued));
    assert_eq!(origin("r2").await.map(|origin| origin.status), Some(RunStatus::Failed));
    assert_eq!(origin("alone").await, None);
    assert_eq!(store.origin(&tenant("two"), &RunId::new("r1").unwrap()).await.unwrap(), None);
}
