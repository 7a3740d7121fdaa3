use super::StoreFixture;
use super::fixture::{leased, line, lines, plugin_line, stage};
use crate::{Batch, Store, Writer};
use stageway_core::log::{Line, Origin, Report, ReportKind};
use stageway_core::name::TaskName;

/// Number, text and whether it is struck out.
async fn written(store: &dyn Store, writer: &Writer) -> Vec<(u64, String, bool)> {
    let lines = store.lines(&writer.tenant, &writer.run, None, 0, 100).await.unwrap();
    lines.into_iter().map(|line| (line.number, line.line.text, line.struck)).collect()
}

fn texts(of: &[(u64, &str, bool)]) -> Vec<(u64, String, bool)> {
    of.iter().map(|(number, text, struck)| (*number, (*text).to_owned(), *struck)).collect()
}

fn task_line(cursor: u64, text: &str) -> Line {
    line(Origin::Task { task: TaskName::new("task-1").unwrap(), cursor }, text)
}

fn engine_line(key: &str) -> Line {
    line(Origin::Engine { key: key.into() }, key)
}

fn strike(beyond: u32) -> Batch {
    Batch { strike: vec![(stage("build"), 1, beyond)], ..Batch::default() }
}

/// From 1, over all stages and attempts, whatever their own order is.
pub async fn lines_are_numbered_in_order_of_arrival(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let run_line = Line { stage: None, attempt: 0, ..engine_line("run") };
    store.append(&writer, lines(vec![plugin_line(2, 0, "b"), plugin_line(1, 0, "a")])).await.unwrap();
    store.append(&writer, lines(vec![run_line.clone()])).await.unwrap();
    let found = fixture.open().await.lines(&writer.tenant, &writer.run, None, 0, 10).await.unwrap();
    assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(found[0].line, plugin_line(2, 0, "b"));
    assert_eq!(found[2].line, run_line);
    let next = leased(&*store, "r2").await;
    store.append(&next, lines(vec![engine_line("x")])).await.unwrap();
    assert_eq!(written(&*store, &next).await, texts(&[(1, "x", false)]));
}

/// The first text of an origin stands; other attempts and stages have origins of their own.
pub async fn a_line_is_written_once_by_its_origin(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let again = |text| vec![plugin_line(1, 0, text), task_line(0, text), engine_line("k")];
    store.append(&writer, lines(again("first"))).await.unwrap();
    store.append(&writer, lines(again("second"))).await.unwrap();
    let run_line = Line { stage: None, attempt: 0, ..engine_line("k") };
    store.append(&writer, lines(vec![run_line.clone(), run_line])).await.unwrap();
    let retry = Line { attempt: 2, ..plugin_line(1, 0, "retry") };
    let test = Line { stage: Some(stage("test")), ..plugin_line(1, 0, "test") };
    store.append(&writer, lines(vec![retry, test, task_line(6, "more")])).await.unwrap();
    let expected = [(1, "first"), (2, "first"), (3, "k"), (4, "k"), (5, "retry"), (6, "test"), (7, "more")];
    assert_eq!(written(&*store, &writer).await, texts(&expected.map(|(number, text)| (number, text, false))));
}

/// A page starts after a number and ends with `max`.
pub async fn lines_are_paged_and_filtered(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let of = |name: &str, ordinal| Line { stage: Some(stage(name)), ..plugin_line(0, ordinal, name) };
    let all = (0..6).map(|ordinal| of(if ordinal % 2 == 0 { "even" } else { "odd" }, ordinal)).collect();
    store.append(&writer, lines(all)).await.unwrap();
    let (even, odd, none) = (stage("even"), stage("odd"), stage("none"));
    for (wanted, after, max, numbers) in [
        (None, 0, 2, vec![1, 2]),
        (None, 4, 9, vec![5, 6]),
        (Some(&even), 0, 9, vec![1, 3, 5]),
        (Some(&odd), 2, 1, vec![4]),
        (Some(&none), 0, 9, vec![]),
        (None, 6, 9, vec![]),
        (None, 0, 0, vec![]),
    ] {
        let found = store.lines(&writer.tenant, &writer.run, wanted, after, max).await.unwrap();
        assert_eq!(found.iter().map(|line| line.number).collect::<Vec<_>>(), numbers);
    }
}

/// A number never changes its line; the new timeline's line gets the next one.
pub async fn struck_lines_keep_their_numbers_and_may_come_again(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let first = vec![plugin_line(1, 0, "kept"), plugin_line(2, 0, "lost"), plugin_line(3, 0, "lost")];
    store.append(&writer, lines(first)).await.unwrap();
    let resumed = vec![plugin_line(1, 0, "replayed"), plugin_line(2, 0, "again")];
    store.append(&writer, Batch { lines: resumed, ..strike(1) }).await.unwrap();
    let once = [(1, "kept", false), (2, "lost", true), (3, "lost", true), (4, "again", false)];
    assert_eq!(written(&*store, &writer).await, texts(&once));
    store.append(&writer, Batch { lines: vec![plugin_line(2, 0, "third")], ..strike(1) }).await.unwrap();
    let twice =
        [(1, "kept", false), (2, "lost", true), (3, "lost", true), (4, "again", true), (5, "third", false)];
    assert_eq!(written(&*store, &writer).await, texts(&twice));
}

/// What a task wrote happened; another attempt or stage has another timeline.
pub async fn lines_of_tasks_and_of_others_are_never_struck(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let retry = Line { attempt: 2, ..plugin_line(9, 0, "retry") };
    let test = Line { stage: Some(stage("test")), ..plugin_line(9, 0, "test") };
    let all = vec![task_line(9, "task"), engine_line("engine"), retry, test, plugin_line(9, 0, "plugin")];
    store.append(&writer, lines(all)).await.unwrap();
    store.append(&writer, strike(0)).await.unwrap();
    store.append(&writer, lines(vec![task_line(9, "again")])).await.unwrap();
    let expected = [
        (1, "task", false),
        (2, "engine", false),
        (3, "retry", false),
        (4, "test", false),
        (5, "plugin", true),
    ];
    assert_eq!(written(&*store, &writer).await, texts(&expected));
}

/// Keyed like lines; those that were struck out are not listed.
pub async fn reports_are_written_once_and_struck(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let report = |seq, ordinal, value: f64| Report {
        stage: stage("build"),
        attempt: 1,
        seq,
        ordinal,
        at: 1_000,
        kind: ReportKind::Measure,
        body: serde_json::json!({"name": "size", "value": value, "unit": "byte"}),
    };
    let all = vec![report(3, 0, 3.5), report(1, 1, 1.0), report(1, 1, 9.0)];
    store.append(&writer, Batch { reports: all, ..Batch::default() }).await.unwrap();
    let found = store.reports(&writer.tenant, &writer.run).await.unwrap();
    assert_eq!(found, [report(3, 0, 3.5), report(1, 1, 1.0)]);
    let again = vec![report(1, 1, 7.0), report(3, 0, 4.0)];
    store.append(&writer, Batch { reports: again, ..strike(2) }).await.unwrap();
    let found = fixture.open().await.reports(&writer.tenant, &writer.run).await.unwrap();
    assert_eq!(found, [report(1, 1, 1.0), report(3, 0, 4.0)]);
}
