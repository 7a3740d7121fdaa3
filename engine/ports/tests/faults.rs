//! The store in memory fails and dies where a test says.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used)]

use stageway_core::name::{PipelineName, RunId, TenantId};
use stageway_ports::memory::{Fault, MemoryStore};
use stageway_ports::{NewRun, RunFilter, Store, StoreError};

async fn create(store: &MemoryStore, id: &str) -> Result<u64, StoreError> {
    let pipeline = PipelineName::new("shop").unwrap();
    let (id, plan) = (RunId::new(id).unwrap(), serde_json::json!({}));
    store.create_run(&TenantId::local(), NewRun { id, pipeline, plan, at: 1, events: vec![] }).await
}

async fn count(store: &MemoryStore) -> usize {
    let filter = RunFilter { max: 100, ..RunFilter::default() };
    store.runs(&TenantId::local(), &filter).await.unwrap().len()
}

#[tokio::test]
async fn a_refused_write_is_not_written_and_the_next_goes_well() {
    let store = MemoryStore::new();
    store.fault_at(2, Fault::Refuse);
    create(&store, "a").await.unwrap();
    assert!(matches!(create(&store, "b").await, Err(StoreError::Storage(_))));
    create(&store, "b").await.unwrap();
    assert_eq!((store.writes(), count(&store).await), (3, 2));
}

#[tokio::test]
async fn a_dead_process_answers_nothing_and_what_it_wrote_stays() {
    for (fault, left) in [(Fault::CrashBefore, 1), (Fault::CrashAfter, 2)] {
        let store = MemoryStore::new();
        store.fault_at(2, fault);
        create(&store, "a").await.unwrap();
        tokio::select! {
            biased;
            answer = create(&store, "b") => panic!("a dead process answered {answer:?}"),
            () = store.crashed() => {}
        }
        tokio::select! {
            biased;
            answer = count(&store) => panic!("a dead process read {answer}"),
            () = store.crashed() => {}
        }
        let next = store.reopen();
        assert_eq!(count(&next).await, left);
        create(&next, "b").await.unwrap();
        assert_eq!(count(&next).await, 2);
    }
}
