use super::fixture::{moved, repository, revision, taken_in, tenant};
use super::runs::{admission, end};
use super::{InboxFixture, Memory};
use crate::{NewStatus, PendingStatus, Telling};
use stageway_core::delivery::{ReportState, StatusReport};
use stageway_core::run::RunStatus;

fn fixed(state: ReportState) -> StatusReport {
    StatusReport {
        context: "stageway/shop".into(),
        state,
        description: "no path has changed".into(),
        link: None,
    }
}

async fn pending(inbox: &dyn Memory) -> Vec<PendingStatus> {
    inbox.pending(1_000, 9).await.unwrap()
}

/// Telling the same again is never asked for.
pub async fn a_run_is_told_when_it_was_made_and_when_it_has_ended(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.admit(&tenant("one"), admission("r1", 1)).await.unwrap();
    let first = pending(&*inbox).await;
    assert_eq!(first.len(), 1);
    assert_eq!((&first[0].tenant, &first[0].repository), (&tenant("one"), &repository()));
    assert_eq!((&first[0].revision, first[0].context.as_str()), (&revision('a'), "stageway/shop"));
    let what = |run: &str, number, status| Telling::Run { run: run.parse().unwrap(), number, status };
    assert_eq!(first[0].what, what("r1", 1, RunStatus::Queued));
    inbox.told(&first[0]).await.unwrap();
    assert_eq!(pending(&*inbox).await, []);
    end(&*inbox, "r1", RunStatus::Failed).await;
    let last = pending(&*inbox).await;
    assert_eq!(last[0].what, what("r1", 1, RunStatus::Failed));
    inbox.told(&last[0]).await.unwrap();
    assert_eq!(pending(&*inbox).await, []);
}

/// Nor does it take the word from one that is.
pub async fn a_run_of_no_commit_is_not_told(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.admit(&tenant("one"), admission("r1", 1)).await.unwrap();
    let silent = crate::Admission { context: None, ..admission("r2", 2) };
    assert!(inbox.admit(&tenant("one"), silent).await.unwrap().new);
    end(&*inbox, "r2", RunStatus::Failed).await;
    let told: Vec<_> = pending(&*inbox).await.into_iter().map(|pending| pending.what).collect();
    assert_eq!(told, [Telling::Run { run: "r1".parse().unwrap(), number: 1, status: RunStatus::Queued }]);
}

/// With the outcome that it belongs to.
pub async fn what_has_no_run_is_told_once(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    let status =
        NewStatus { repository: repository(), revision: revision('b'), report: fixed(ReportState::Skipped) };
    taken_in(&*inbox, "d1", vec![moved('a', 'b')], |s| s.statuses.push(status)).await;
    let found = pending(&*inbox).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].what, Telling::Fixed(fixed(ReportState::Skipped)));
    inbox.told(&found[0]).await.unwrap();
    assert_eq!(pending(&*inbox).await, []);
}

/// An older run that ends later says nothing any more.
pub async fn the_newest_status_of_a_commit_and_context_counts(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.admit(&tenant("one"), admission("r1", 1)).await.unwrap();
    inbox.told(&pending(&*inbox).await[0]).await.unwrap();
    inbox.admit(&tenant("one"), admission("r2", 2)).await.unwrap();
    inbox.admit(&tenant("two"), admission("r3", 1)).await.unwrap();
    end(&*inbox, "r1", RunStatus::Failed).await;
    let found = pending(&*inbox).await;
    let runs = found.iter().map(|pending| match &pending.what {
        Telling::Run { run, .. } => run.as_str(),
        Telling::Fixed(_) => "none",
    });
    assert_eq!(runs.collect::<Vec<_>>(), ["r2", "r3"]);
}

/// A forge that does not answer is asked later, one that refuses never.
pub async fn what_could_not_be_told_is_tried_again_or_never(fixture: &dyn InboxFixture) {
    let inbox = fixture.open().await;
    inbox.admit(&tenant("one"), admission("r1", 1)).await.unwrap();
    let found = pending(&*inbox).await;
    inbox.untold(&found[0], Some(2_000)).await.unwrap();
    assert_eq!(pending(&*inbox).await, []);
    let again = inbox.pending(2_000, 9).await.unwrap();
    assert_eq!(again[0].attempts, 1);
    inbox.untold(&again[0], None).await.unwrap();
    assert_eq!(inbox.pending(9_000, 9).await.unwrap(), []);
}
