//! The contracts of the ports.

use super::server;
use async_trait::async_trait;
use stageway_ports::Store;
use stageway_ports::contract::freezes::{FreezesFixture, Freezing};
use stageway_ports::contract::inbox::{InboxFixture, Memory};
use stageway_ports::contract::store::StoreFixture;
use stageway_ports::memory::MemoryBlobs;
use stageway_stores::PostgresStore;
use stageway_stores::testing::PostgresServer;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A database, made when it is first opened, and the blobs beside it.
struct OnServer(OnceCell<String>, Arc<MemoryBlobs>);

impl OnServer {
    fn new() -> Self {
        Self(OnceCell::new(), Arc::new(MemoryBlobs::new()))
    }
}

impl OnServer {
    async fn store(&self) -> Arc<PostgresStore> {
        let url = self.0.get_or_init(|| async { server().database().await }).await;
        let blobs = Arc::<MemoryBlobs>::clone(&self.1);
        Arc::new(
            PostgresStore::connect(PostgresServer::options(url), blobs).await.expect("the database opens"),
        )
    }
}

#[async_trait]
impl StoreFixture for OnServer {
    async fn open(&self) -> Arc<dyn Store> {
        self.store().await
    }
}

#[async_trait]
impl InboxFixture for OnServer {
    async fn open(&self) -> Arc<dyn Memory> {
        self.store().await
    }
}

#[async_trait]
impl FreezesFixture for OnServer {
    async fn open(&self) -> Arc<dyn Freezing> {
        self.store().await
    }
}

mod store {
    use super::OnServer;
    stageway_ports::store_contract!(OnServer::new());
}

mod inbox {
    use super::OnServer;
    stageway_ports::inbox_contract!(OnServer::new());
}

mod freezes {
    use super::OnServer;
    stageway_ports::freezes_contract!(OnServer::new());
}
