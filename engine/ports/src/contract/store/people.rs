use super::StoreFixture;
use super::fixture::{environment, leased, line, lines, run_id, stage, tenant};
use crate::{Approval, ApprovalAnswer, Claim, Release, StoreError, Writer};
use stageway_core::log::Origin;

pub(super) fn question(attempt: u32, seq: u32) -> Approval {
    Approval {
        stage: stage("gate"),
        attempt,
        seq,
        question: format!("go on at {seq}?"),
        options: serde_json::json!({"approvers": ["release-team"]}),
        asked_at: 1_000,
        deadline: Some(5_000),
        answer: None,
    }
}

pub(super) fn yes(at: u64) -> ApprovalAnswer {
    ApprovalAnswer { approved: true, by: "ada".into(), reason: "looks good".into(), at, to: None }
}

/// The first time counts; another question in its place is a conflict.
pub async fn a_question_is_asked_once(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    assert_eq!(store.approvals(&writer.tenant, &writer.run).await.unwrap(), []);
    store.ask(&writer, question(1, 0)).await.unwrap();
    store.ask(&writer, Approval { asked_at: 2_000, ..question(1, 0) }).await.unwrap();
    store.ask(&writer, Approval { answer: Some(yes(1)), ..question(1, 4) }).await.unwrap();
    let found = fixture.open().await.approvals(&writer.tenant, &writer.run).await.unwrap();
    assert_eq!(found, [question(1, 0), question(1, 4)]);
    let other = Approval { question: "really?".into(), ..question(1, 0) };
    assert!(matches!(store.ask(&writer, other).await, Err(StoreError::Conflict(_))));
    let stale = Writer { fence: writer.fence + 1, ..writer.clone() };
    assert!(matches!(store.ask(&stale, question(1, 9)).await, Err(StoreError::Fenced { .. })));
}

/// Two people answer: the second learns that it was done.
pub async fn a_question_is_answered_once(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    let writer = leased(&*store, "r1").await;
    let gate = stage("gate");
    let answer = |at| store.answer(&one, &writer.run, &gate, yes(at));
    assert!(matches!(answer(1_500).await, Err(StoreError::NotFound(_))));
    store.ask(&writer, question(1, 0)).await.unwrap();
    answer(2_000).await.unwrap();
    assert!(matches!(answer(2_001).await, Err(StoreError::Conflict(_))));
    store.ask(&writer, question(1, 0)).await.unwrap();
    let found = store.approvals(&one, &writer.run).await.unwrap();
    assert_eq!(found, [Approval { answer: Some(yes(2_000)), ..question(1, 0) }]);
    let nobody = store.answer(&one, &writer.run, &stage("build"), yes(1)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
    let nowhere = store.answer(&one, &run_id("none"), &gate, yes(1)).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound(_))));
}

/// A question of an attempt that is over is not asked any more; an answer too late is none.
pub async fn the_newest_question_is_answered_until_its_deadline(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    let writer = leased(&*store, "r1").await;
    store.ask(&writer, question(1, 7)).await.unwrap();
    store.ask(&writer, question(2, 3)).await.unwrap();
    let late = store.answer(&one, &writer.run, &stage("gate"), yes(5_001)).await;
    assert!(matches!(late, Err(StoreError::NotFound(_))));
    store.answer(&one, &writer.run, &stage("gate"), yes(5_000)).await.unwrap();
    let answers = store.approvals(&one, &writer.run).await.unwrap();
    let answers: Vec<_> = answers.into_iter().map(|approval| (approval.attempt, approval.answer)).collect();
    assert_eq!(answers, [(1, None), (2, Some(yes(5_000)))]);
}

/// Who has read one question has not answered another.
pub async fn an_answer_is_to_the_question_that_was_read(fixture: &dyn StoreFixture) {
    let (store, one, gate) = (fixture.open().await, tenant("one"), stage("gate"));
    let writer = leased(&*store, "r1").await;
    store.ask(&writer, question(1, 0)).await.unwrap();
    let read = store.approvals(&one, &writer.run).await.unwrap()[0].digest();
    assert_eq!(read, question(1, 0).digest(), "wherever it is computed");
    store.ask(&writer, question(2, 0)).await.unwrap();
    let answer = |to| ApprovalAnswer { to: Some(to), ..yes(2_000) };
    let stale = store.answer(&one, &writer.run, &gate, answer(read)).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    let now = question(2, 0).digest();
    store.answer(&one, &writer.run, &gate, answer(now)).await.unwrap();
    let found = store.approvals(&one, &writer.run).await.unwrap();
    assert_eq!((&found[0].answer, &found[1].answer), (&None, &Some(answer(now))));
}

/// Asked twice, the first who, why and when are kept.
pub async fn the_first_wish_for_the_end_stands(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    let writer = leased(&*store, "r1").await;
    assert_eq!(store.cancel_request(&one, &writer.run).await.unwrap(), None);
    store.request_cancel(&one, &writer.run, "ada", "wrong branch", 7).await.unwrap();
    store.request_cancel(&one, &writer.run, "bob", "", 8).await.unwrap();
    let wish = fixture.open().await.cancel_request(&one, &writer.run).await.unwrap();
    assert_eq!(wish, Some(("ada".into(), "wrong branch".into(), 7)));
    assert_eq!(store.run(&one, &writer.run).await.unwrap().unwrap().cancel, wish);
    let nowhere = store.request_cancel(&one, &run_id("none"), "ada", "", 1).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound(_))));
}

/// Whatever plugins and people write is text: with NUL, with quotes, in any script, of any length.
pub async fn any_text_comes_back_as_it_went(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let text = format!("zero \u{0} quote \" ' back \\ line\n\u{2603} \u{1F40C} {}", "long".repeat(5_000));
    store.append(&writer, lines(vec![line(Origin::Engine { key: "k".into() }, &text)])).await.unwrap();
    let found = store.lines(&writer.tenant, &writer.run, None, 0, 9).await.unwrap();
    assert_eq!(found[0].line.text, text);
    store.ask(&writer, Approval { question: text.clone(), ..question(1, 0) }).await.unwrap();
    let answer = ApprovalAnswer { by: text.clone(), reason: text.clone(), ..yes(2_000) };
    store.answer(&writer.tenant, &writer.run, &stage("gate"), answer.clone()).await.unwrap();
    let found = store.approvals(&writer.tenant, &writer.run).await.unwrap();
    assert_eq!((&found[0].question, &found[0].answer), (&text, &Some(answer)));
    store.request_cancel(&writer.tenant, &writer.run, &text, &text, 7).await.unwrap();
    let wish = store.cancel_request(&writer.tenant, &writer.run).await.unwrap();
    assert_eq!(wish, Some((text.clone(), text.clone(), 7)));
    released(&*store, &writer, &text).await;
}

async fn released(store: &dyn crate::Store, writer: &Writer, text: &str) {
    let (run, production) = (writer.run.clone(), environment("production"));
    let (environment, stage) = (production.clone(), stage("deploy"));
    let claim = Claim { environment, run: run.clone(), stage, group: text.to_owned(), order: 1 };
    store.claim(writer, &claim).await.unwrap();
    let (what, verdict, reason) = (serde_json::json!(text), text.to_owned(), text.to_owned());
    let release = Release { id: "a".into(), run, at: 1, what, verdict, reason };
    store.release(writer, &production, release.clone()).await.unwrap();
    assert_eq!(store.releases(&writer.tenant, &production, 9).await.unwrap(), [release]);
    let judged = format!("{text}!");
    store.judge(writer, &production, "a", &judged, &judged).await.unwrap();
    let found = store.releases(&writer.tenant, &production, 9).await.unwrap().remove(0);
    assert_eq!((found.verdict, found.reason), (judged.clone(), judged));
}
