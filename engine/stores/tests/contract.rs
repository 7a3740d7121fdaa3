//! SQLite and the directory keep the contracts of their ports.

use async_trait::async_trait;
use stageway_ports::contract::blobs::BlobsFixture;
use stageway_ports::contract::freezes::{FreezesFixture, Freezing};
use stageway_ports::contract::inbox::{InboxFixture, Memory};
use stageway_ports::contract::store::StoreFixture;
use stageway_ports::{Blobs, Store};
use stageway_stores::{FsBlobs, SqliteStore};
use std::path::PathBuf;
use std::sync::Arc;

struct OnDisk(tempfile::TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("the temporary directory is writable"))
    }

    async fn store(&self) -> Arc<SqliteStore> {
        let blobs = BlobsFixture::open(self).await;
        Arc::new(SqliteStore::open(self.0.path().join("state/db"), blobs).await.expect("the database opens"))
    }
}

#[async_trait]
impl StoreFixture for OnDisk {
    async fn open(&self) -> Arc<dyn Store> {
        self.store().await
    }
}

#[async_trait]
impl InboxFixture for OnDisk {
    async fn open(&self) -> Arc<dyn Memory> {
        self.store().await
    }
}

#[async_trait]
impl FreezesFixture for OnDisk {
    async fn open(&self) -> Arc<dyn Freezing> {
        self.store().await
    }
}

#[async_trait]
impl BlobsFixture for OnDisk {
    async fn open(&self) -> Arc<dyn Blobs> {
        Arc::new(FsBlobs::open(self.0.path().join("state/blobs")).expect("the directory opens"))
    }

    fn scratch(&self) -> PathBuf {
        let scratch = self.0.path().join("scratch");
        std::fs::create_dir_all(&scratch).expect("the temporary directory is writable");
        scratch
    }
}

mod store {
    use super::OnDisk;
    stageway_ports::store_contract!(OnDisk::new());
}

mod inbox {
    use super::OnDisk;
    stageway_ports::inbox_contract!(OnDisk::new());
}

mod freezes {
    use super::OnDisk;
    stageway_ports::freezes_contract!(OnDisk::new());
}

mod blobs {
    use super::OnDisk;
    stageway_ports::blobs_contract!(OnDisk::new());
}
