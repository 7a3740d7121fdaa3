//! The body of a journal's record as a row holds it: JSON whose large texts lie in the blobs.
//!
//! Every SQL adapter writes what [`rows_of`] makes and reads with [`records_of`]. A record is the same before and after; a blob that
//! is lost is a fault of the storage, and never an answer of the journal.

use stageway_core::digest::Digest;
use stageway_core::journal::{INLINE_BYTES, Record, Restored, WHOLE_BYTES, blobs_of, externalize, restore};
use stageway_core::name::StageName;
use stageway_ports::{BlobError, Blobs, StoreError};
use std::collections::BTreeSet;

/// A record as it is stored.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) stage: StageName,
    pub(crate) attempt: u32,
    pub(crate) seq: u32,
    pub(crate) part: u8,
    pub(crate) body: String,
}

impl Row {
    /// Whether the body that stands is of the same record.
    pub(crate) fn is_same_as(&self, standing: &str) -> bool {
        is_same(&self.body, standing)
    }
}

/// What becomes of records in the database; what is large of them lies in the blobs already.
///
/// # Errors
/// [`StoreError::Storage`].
pub(crate) async fn rows_of(
    records: Vec<(StageName, u32, Record)>,
    blobs: &dyn Blobs,
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::with_capacity(records.len());
    for (stage, attempt, record) in records {
        let body = seal(&record, blobs).await?;
        rows.push(Row { stage, attempt, seq: record.seq(), part: record.part(), body });
    }
    Ok(rows)
}

/// The records whose bodies were read, in their order.
///
/// # Errors
/// [`StoreError::Storage`], also for a blob that is lost.
pub(crate) async fn records_of(bodies: &[String], blobs: &dyn Blobs) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::with_capacity(bodies.len());
    for body in bodies {
        records.push(open(body, blobs).await?);
    }
    Ok(records)
}

/// Makes the body of a record. What it names is durable in the blobs before it is answered, so that a row that was
/// committed names nothing that is not there; a row that was refused leaves blobs that nothing names.
///
/// # Errors
/// [`StoreError::Storage`].
async fn seal(record: &Record, blobs: &dyn Blobs) -> Result<String, StoreError> {
    let unwritable = |error| storage(format!("a record of a journal cannot be written: {error}"));
    let plain = serde_json::to_string(record).map_err(unwritable)?;
    if plain.len() <= INLINE_BYTES && !names_blobs(&plain) {
        return Ok(plain);
    }
    let (body, large) = externalize(serde_json::to_value(record).map_err(unwritable)?);
    if large.is_empty() && !names_blobs(&plain) {
        return Ok(plain);
    }
    for (_, bytes) in large {
        blobs.put(bytes).await.map_err(|error| storage(error.to_string()))?;
    }
    serde_json::to_string(&body).map_err(unwritable)
}

/// Reads the body of a record, with everything that lies in the blobs.
///
/// # Errors
/// [`StoreError::Storage`], also for a blob that is lost.
async fn open(body: &str, blobs: &dyn Blobs) -> Result<Record, StoreError> {
    if !names_blobs(body) {
        return serde_json::from_str(body).map_err(unreadable);
    }
    let body = serde_json::from_str(body).map_err(unreadable)?;
    let mut large = Restored::new();
    for digest in BTreeSet::from_iter(blobs_of(&body)) {
        large.insert(digest, blobs.get(&digest, WHOLE_BYTES).await.map_err(lost)?);
    }
    let whole = restore(body, &large).map_err(no_text)?;
    serde_json::from_value(whole).map_err(unreadable)
}

/// Whether two bodies are of the same record.
fn is_same(one: &str, other: &str) -> bool {
    let value = |body| serde_json::from_str::<serde_json::Value>(body).ok();
    one == other || value(one).is_some_and(|one| Some(one) == value(other))
}

/// Whether a member's name ends like that of a blob. Within a text the quote would have a backslash before it.
fn names_blobs(body: &str) -> bool {
    body.contains("$blob\":")
}

fn storage(text: String) -> StoreError {
    StoreError::Storage(text)
}

fn unreadable(error: serde_json::Error) -> StoreError {
    storage(format!("a record of a journal cannot be read: {error}; restore the database from a backup"))
}

fn lost(error: BlobError) -> StoreError {
    match error {
        BlobError::Missing(_) | BlobError::Corrupt { .. } => {
            storage(format!("a value of a journal is lost: {error}; restore the blobs from a backup"))
        }
        BlobError::Storage(_) => storage(error.to_string()),
    }
}

fn no_text(digest: Digest) -> StoreError {
    storage(format!(
        "a value of a journal is lost: blob {digest} is no text; restore the blobs from a backup"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::call::{Clock, Function};
    use stageway_core::journal::Intent;
    use stageway_ports::memory::MemoryBlobs;

    fn record(state: serde_json::Value) -> Record {
        let call = Function::Clock(Clock::Sleep { milliseconds: 1 });
        Record::Intent(Box::new(Intent { seq: 1, at: 5, call, state }))
    }

    async fn sealed(state: serde_json::Value) -> (Record, String, MemoryBlobs) {
        let (record, blobs) = (record(state), MemoryBlobs::new());
        let body = seal(&record, &blobs).await.unwrap();
        (record, body, blobs)
    }

    #[tokio::test]
    async fn a_large_text_lies_in_the_blobs_and_comes_back() {
        let large = "é\"\n".repeat(300_000);
        let (record, body, blobs) = sealed(serde_json::json!([large, large, "small"])).await;
        assert!(body.len() < 1_000, "{} bytes", body.len());
        assert_eq!(blobs.get(&Digest::of(large.as_bytes()), WHOLE_BYTES).await.unwrap(), large.as_bytes());
        assert_eq!(open(&body, &blobs).await, Ok(record));
    }

    #[tokio::test]
    async fn what_is_small_stays_as_it_is_written() {
        let many: Vec<_> = (0..10_000).collect();
        for state in [serde_json::json!({"a": "b"}), serde_json::json!(many)] {
            let (record, body, blobs) = sealed(state).await;
            assert_eq!(body, serde_json::to_string(&record).unwrap());
            assert_eq!(open(&body, &blobs).await, Ok(record));
        }
    }

    #[tokio::test]
    async fn a_guest_reads_no_blob_by_naming_it() {
        let blobs = MemoryBlobs::new();
        let secret = blobs.put(b"of somebody else".to_vec()).await.unwrap();
        let state = serde_json::json!({"$blob": secret.digest, "$size": 16, "$$blob": {"$blob": 1}});
        let record = record(state);
        let body = seal(&record, &blobs).await.unwrap();
        assert_eq!(open(&body, &blobs).await, Ok(record));
    }

    #[tokio::test]
    async fn a_lost_value_is_a_fault_of_the_storage() {
        let (_, body, _) = sealed(serde_json::json!("x".repeat(INLINE_BYTES + 1))).await;
        let Err(StoreError::Storage(text)) = open(&body, &MemoryBlobs::new()).await else {
            unreachable!("the blob is not there")
        };
        assert!(text.contains("no blob sha256:") && text.contains("backup"), "{text}");
        assert!(matches!(open("{", &MemoryBlobs::new()).await, Err(StoreError::Storage(_))));
    }

    #[tokio::test]
    async fn bodies_are_the_same_whatever_the_order_of_their_members() {
        assert!(is_same(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#));
        assert!(!is_same(r#"{"a":1}"#, r#"{"a":2}"#));
        assert!(!is_same("{", "["), "what cannot be read is like nothing else");
    }
}
