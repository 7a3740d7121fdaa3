use super::StoreFixture;
use super::fixture::{ended, entry, events, leased, line, records, run_id, stage, started};
use crate::{Batch, Store, StoreError, Writer};
use stageway_core::call::{Bytes, Clock, Function, Value};
use stageway_core::digest::Digest;
use stageway_core::journal::{Entry, Intent, Record};
use stageway_core::log::Origin;
use stageway_core::name::StageName;
use stageway_core::run::RunStatus;

async fn journal(store: &dyn Store, writer: &Writer) -> Vec<Record> {
    store.journal(&writer.tenant, &writer.run, &stage("build"), 1).await.unwrap()
}

async fn version(store: &dyn Store, writer: &Writer) -> u64 {
    store.run(&writer.tenant, &writer.run).await.unwrap().unwrap().version
}

/// The answer is the number of events, which come back in order.
pub async fn an_append_advances_the_version(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    assert_eq!(store.append(&writer, events(1, vec![started("a"), started("b")])).await, Ok(3));
    assert_eq!(store.append(&writer, records(vec![entry(1, 1)])).await, Ok(3));
    assert_eq!(store.append(&writer, events(3, vec![ended(RunStatus::Failed)])).await, Ok(4));
    let run = fixture.open().await.run(&writer.tenant, &writer.run).await.unwrap().unwrap();
    assert_eq!(run.events[1..], [started("a"), started("b"), ended(RunStatus::Failed)]);
    assert_eq!((run.version, run.fence), (4, writer.fence));
}

/// The version is checked where there are events, and only there.
pub async fn an_append_needs_the_expected_version(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    for expected in [0, 2] {
        let refused = store.append(&writer, events(expected, vec![started("a")])).await;
        assert_eq!(refused, Err(StoreError::Version { run: run_id("r1"), expected, found: 1 }));
    }
    let batch = Batch { expected: 9, ..records(vec![entry(1, 1)]) };
    assert_eq!(store.append(&writer, batch).await, Ok(1));
}

/// A fence of the past or of nobody is refused before anything else.
pub async fn an_append_needs_the_fence(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    for fence in [0, writer.fence + 1] {
        let other = Writer { fence, ..writer.clone() };
        let refused = store.append(&other, records(vec![entry(1, 1)])).await;
        assert!(matches!(refused, Err(StoreError::Fenced { given, .. }) if given == fence));
    }
    assert_eq!(journal(&*store, &writer).await, []);
}

/// Whatever is wrong with a batch, nothing of it is there afterwards.
pub async fn a_refused_append_writes_nothing(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    store.append(&writer, records(vec![entry(1, 1)])).await.unwrap();
    let whole = Batch {
        expected: 1,
        events: vec![started("build")],
        records: vec![entry(2, 2), entry(1, 99)],
        lines: vec![line(Origin::Engine { key: "k".into() }, "text")],
        ..Batch::default()
    };
    let stale = Batch { expected: 7, records: vec![entry(2, 2)], ..whole.clone() };
    let fenced = Writer { fence: writer.fence + 1, ..writer.clone() };
    assert!(matches!(store.append(&writer, whole.clone()).await, Err(StoreError::Conflict(_))));
    assert!(matches!(store.append(&writer, stale).await, Err(StoreError::Version { .. })));
    assert!(matches!(store.append(&fenced, whole).await, Err(StoreError::Fenced { .. })));
    let other = fixture.open().await;
    assert_eq!(journal(&*other, &writer).await, [entry(1, 1).2]);
    assert_eq!(version(&*other, &writer).await, 1);
    assert_eq!(other.lines(&writer.tenant, &writer.run, None, 0, 10).await.unwrap(), []);
}

/// Of two appends that expect the same version one is refused, on whatever handle.
pub async fn one_of_two_racing_appends_wins(fixture: &dyn StoreFixture) {
    let (store, other) = (fixture.open().await, fixture.open().await);
    let writer = leased(&*store, "r1").await;
    for round in 1..=10 {
        let left = store.append(&writer, events(round, vec![started("left")]));
        let right = other.append(&writer, events(round, vec![started("right")]));
        let (left, right) = tokio::join!(left, right);
        assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
        let lost = left.and(right).unwrap_err();
        assert!(matches!(lost, StoreError::Version { .. }), "{lost:?}");
        assert_eq!(version(&*store, &writer).await, round + 1);
    }
}

/// Written again they are there once; an intent stands before its entry.
pub async fn records_are_kept_once_and_in_order(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let call = Function::Clock(Clock::Sleep { milliseconds: 2 });
    let intent = Intent { seq: 2, at: 5, call, state: serde_json::json!({"until": 7}) };
    let intent: (StageName, u32, Record) = (stage("build"), 1, Record::Intent(Box::new(intent)));
    store.append(&writer, records(vec![entry(1, 1), intent.clone()])).await.unwrap();
    store.append(&writer, records(vec![entry(1, 1), intent.clone(), entry(2, 2)])).await.unwrap();
    store.append(&writer, records(vec![entry(3, 3), entry(3, 3)])).await.unwrap();
    let mut second = entry(1, 8);
    second.1 = 2;
    store.append(&writer, records(vec![second])).await.unwrap();
    let expected = [entry(1, 1).2, intent.2, entry(2, 2).2, entry(3, 3).2];
    assert_eq!(journal(&*fixture.open().await, &writer).await, expected);
    assert_eq!(store.journal(&writer.tenant, &writer.run, &stage("test"), 1).await.unwrap(), []);
}

/// A number means one record for ever.
pub async fn another_record_under_the_same_number_is_a_conflict(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    store.append(&writer, records(vec![entry(1, 1)])).await.unwrap();
    for batch in [records(vec![entry(1, 2)]), records(vec![entry(5, 1), entry(5, 2)])] {
        assert!(matches!(store.append(&writer, batch).await, Err(StoreError::Conflict(_))));
    }
    assert_eq!(journal(&*store, &writer).await, [entry(1, 1).2]);
}

/// Numbers up to 2^63, floats, any text and NUL survive.
pub async fn values_come_back_as_they_went(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let state = serde_json::json!({
        "text": "zero \u{0} tab \t quote \" line\nsnow \u{2603} \u{1F40C}",
        "floats": [0.1 + 0.2, 1.1 * 1.1, 5e-324, f64::MAX, f64::EPSILON, 123_456_789.123_456_79, 1.0 / 3.0, 2e22 / 7.0],
        "numbers": [0, -1, 1.5, 1e-7, 9_223_372_036_854_775_807_u64, -9_007_199_254_740_993_i64],
        "empty": {"": null, "array": []},
    });
    let call = Function::Clock(Clock::Sleep { milliseconds: u32::MAX });
    let intent = Record::Intent(Box::new(Intent { seq: 1, at: 4_102_444_800_000, call, state }));
    store.append(&writer, records(vec![(stage("build"), 1, intent.clone())])).await.unwrap();
    assert_eq!(journal(&*store, &writer).await, [intent]);
}

/// Whatever an adapter does with large texts, records are the same afterwards, and so are comparisons with them.
pub async fn large_values_come_back_as_they_went(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let call = || Function::Clock(Clock::Sleep { milliseconds: 1 });
    let text = "zero \u{0} quote \" \u{1F40C}\n".repeat(40_000);
    let state = serde_json::json!({"a": [text, text], "b": {"c": "x".repeat(1 << 20)}, "d": "small"});
    let intent = |state| Record::Intent(Box::new(Intent { seq: 1, at: 5, call: call(), state }));
    let answer = Ok(Value::Bytes(Bytes(vec![0xab; 100_000])));
    let entry = Record::Entry(Box::new(Entry { seq: 1, at: 6, call: call(), answer }));
    let batch = |record: &Record| records(vec![(stage("build"), 1, record.clone())]);
    let first = intent(state);
    for record in [&first, &entry, &first] {
        store.append(&writer, batch(record)).await.unwrap();
    }
    let other = intent(serde_json::json!({"a": [text, "another"], "d": "small"}));
    assert!(matches!(store.append(&writer, batch(&other)).await, Err(StoreError::Conflict(_))));
    assert_eq!(journal(&*fixture.open().await, &writer).await, [first, entry]);
}

/// A guest may write what an adapter writes of its own in the place of a large text.
pub async fn what_looks_like_a_reference_is_a_value(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let call = Function::Clock(Clock::Sleep { milliseconds: 1 });
    let (large, digest) = ("x".repeat(10_000), Digest::of(b"x"));
    let state = serde_json::json!([
        {"$blob": digest, "$size": 1},
        {"$$blob": {"$blob": digest}, "$$$blob": large, "$blobs": 1, "blob": 2},
    ]);
    let intent = Record::Intent(Box::new(Intent { seq: 1, at: 5, call, state }));
    store.append(&writer, records(vec![(stage("build"), 1, intent.clone())])).await.unwrap();
    assert_eq!(journal(&*store, &writer).await, [intent]);
}

/// A thousand records and lines become durable together.
pub async fn a_large_batch_is_one_append(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    let batch = Batch {
        records: (1..=1_000).map(|seq| entry(seq, seq)).collect(),
        lines: (0..1_000).map(|key| line(Origin::Engine { key: key.to_string() }, "text")).collect(),
        ..events(1, vec![started("build")])
    };
    assert_eq!(store.append(&writer, batch).await, Ok(2));
    assert_eq!(journal(&*store, &writer).await.len(), 1_000);
    let lines = store.lines(&writer.tenant, &writer.run, None, 990, 100).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.number).collect::<Vec<_>>(), (991..=1_000).collect::<Vec<_>>());
}
