//! The in-memory adapters keep the contracts.

#![cfg(feature = "testing")]

use async_trait::async_trait;
use stageway_ports::contract::blobs::BlobsFixture;
use stageway_ports::contract::freezes::{FreezesFixture, Freezing};
use stageway_ports::contract::inbox::{InboxFixture, Memory};
use stageway_ports::contract::store::StoreFixture;
use stageway_ports::memory::{MemoryBlobs, MemoryStore};
use stageway_ports::{Blobs, Store};
use std::path::PathBuf;
use std::sync::Arc;

struct InMemory {
    store: MemoryStore,
    blobs: MemoryBlobs,
    scratch: tempfile::TempDir,
}

impl InMemory {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("the temporary directory is writable");
        Self { store: MemoryStore::new(), blobs: MemoryBlobs::new(), scratch }
    }
}

#[async_trait]
impl StoreFixture for InMemory {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store.reopen())
    }
}

#[async_trait]
impl InboxFixture for InMemory {
    async fn open(&self) -> Arc<dyn Memory> {
        Arc::new(self.store.reopen())
    }
}

#[async_trait]
impl FreezesFixture for InMemory {
    async fn open(&self) -> Arc<dyn Freezing> {
        Arc::new(self.store.reopen())
    }
}

#[async_trait]
impl BlobsFixture for InMemory {
    async fn open(&self) -> Arc<dyn Blobs> {
        Arc::new(self.blobs.clone())
    }

    fn scratch(&self) -> PathBuf {
        self.scratch.path().to_owned()
    }
}

mod store {
    use super::InMemory;
    stageway_ports::store_contract!(InMemory::new());
}

mod inbox {
    use super::InMemory;
    stageway_ports::inbox_contract!(InMemory::new());
}

mod freezes {
    use super::InMemory;
    stageway_ports::freezes_contract!(InMemory::new());
}

mod blobs {
    use super::InMemory;
    stageway_ports::blobs_contract!(InMemory::new());
}
