use stageway_core::digest::Digest;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// So many are remembered; then it begins again.
const MOST: usize = 1 << 16;

/// The blobs whose names this handle and its clones know to be flushed: another process may have written one and not have
/// come so far.
#[derive(Debug, Default)]
pub(super) struct Flushed(Mutex<HashSet<Digest>>);

impl Flushed {
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    pub(super) fn add(&self, digest: Digest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest);
    }
}
