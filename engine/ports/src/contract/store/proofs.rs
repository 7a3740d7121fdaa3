use super::StoreFixture;
use super::fixture::{leased, pipeline, run_id, stage, tenant};
use crate::{Batch, Candidate, NewProof, Store, StoreError, Writer};
use stageway_core::digest::Digest;
use stageway_core::name::RunId;

fn proof(key: &str, name: &str, attempt: u32, trust: u8) -> NewProof {
    let compared = serde_json::json!({"plugin": key, "trust": trust});
    NewProof { key: Digest::of(key.as_bytes()), stage: stage(name), attempt, trust, compared }
}

fn candidate(run: &str, proof: &NewProof) -> Candidate {
    let (stage, compared) = (proof.stage.clone(), proof.compared.clone());
    Candidate { run: run_id(run), stage, attempt: proof.attempt, compared }
}

async fn append(store: &dyn Store, writer: &Writer, proofs: Vec<NewProof>) -> Result<u64, StoreError> {
    store.append(writer, Batch { proofs, ..Batch::default() }).await
}

/// The same or higher trust, newest first, at most `max`.
pub async fn candidates_need_the_key_and_the_trust(fixture: &dyn StoreFixture) {
    let (store, one) = (fixture.open().await, tenant("one"));
    for (run, trust) in [("fork", 0), ("member", 1), ("protected", 2), ("later", 1)] {
        let writer = leased(&*store, run).await;
        let other = proof("other", "test", 1, 2);
        append(&*store, &writer, vec![proof("key", "build", 1, trust), other]).await.unwrap();
    }
    let key = Digest::of(b"key");
    let (other, runs) = (fixture.open().await, |found: Vec<Candidate>| -> Vec<RunId> {
        found.into_iter().map(|candidate| candidate.run).collect()
    });
    for (trust, max, expected) in [
        (0, 9, vec!["later", "protected", "member", "fork"]),
        (1, 9, vec!["later", "protected", "member"]),
        (2, 9, vec!["protected"]),
        (0, 2, vec!["later", "protected"]),
    ] {
        let found = other.candidates(&one, &key, trust, max).await.unwrap();
        assert_eq!(runs(found), expected.into_iter().map(run_id).collect::<Vec<_>>(), "trust {trust}");
    }
    let found = other.candidates(&one, &key, 2, 9).await.unwrap();
    assert_eq!(found, [candidate("protected", &proof("key", "build", 1, 2))]);
    assert_eq!(other.candidates(&one, &Digest::of(b"none"), 0, 9).await.unwrap(), []);
}

/// The same proof again is once, another one of the same attempt a conflict.
pub async fn a_proof_is_kept_once(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let writer = leased(&*store, "r1").await;
    for _ in 0..2 {
        append(&*store, &writer, vec![proof("key", "build", 1, 1)]).await.unwrap();
    }
    assert_eq!(store.candidates(&writer.tenant, &Digest::of(b"key"), 0, 9).await.unwrap().len(), 1);
    for other in [proof("other", "build", 1, 1), proof("key", "build", 1, 2)] {
        let refused = append(&*store, &writer, vec![other]).await;
        assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    }
}

/// Of that pipeline and stage, whatever the key.
pub async fn the_newest_proof_of_a_stage_is_found(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (one, shop) = (tenant("one"), pipeline("shop"));
    assert_eq!(store.newest_proof(&one, &shop, &stage("build")).await.unwrap(), None);
    for run in ["r1", "r2"] {
        let writer = leased(&*store, run).await;
        append(&*store, &writer, vec![proof(run, "build", 1, 0)]).await.unwrap();
    }
    let writer = leased(&*store, "r3").await;
    append(&*store, &writer, vec![proof("r3", "test", 1, 0)]).await.unwrap();
    let newest = store.newest_proof(&one, &shop, &stage("build")).await.unwrap();
    assert_eq!(newest, Some(candidate("r2", &proof("r2", "build", 1, 0))));
    assert_eq!(store.newest_proof(&one, &pipeline("other"), &stage("build")).await.unwrap(), None);
}
