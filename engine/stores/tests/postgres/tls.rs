//! A server over the network is asked for its certificate where the address says so.

use super::{connect, new_run, storage};
use sqlx::Connection as _;
use stageway_core::name::TenantId;
use stageway_ports::Store as _;
use stageway_ports::memory::MemoryBlobs;
use stageway_stores::PostgresStore;
use stageway_stores::testing::PostgresServer;
use std::sync::Arc;

async fn refused(url: &str) -> String {
    storage(PostgresStore::connect(PostgresServer::options(url), Arc::new(MemoryBlobs::new())).await)
}

#[tokio::test]
async fn the_address_says_whom_to_trust() {
    let server = PostgresServer::start_with_tls();
    let local = server.database().await;
    let (url, certificate) = server.tls(&local);
    let store = connect(&format!("{url}?sslmode=verify-full&sslrootcert={}", certificate.display())).await;
    assert_eq!(store.create_run(&TenantId::local(), new_run("r1")).await, Ok(1));
    let mut admin = server.connection(&local).await;
    let plain: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = 'stageway' AND NOT ssl",
    )
    .fetch_one(&mut admin)
    .await
    .unwrap();
    assert_eq!(plain, 0, "connections without TLS");
    admin.close().await.unwrap();
    store.close().await;
    // Nobody of the system's authorities vouches for it.
    let text = refused(&format!("{url}?sslmode=verify-full")).await;
    assert!(text.contains("check the certificates"), "{text}");
    // The certificate is of another name.
    let other = url.replace("@localhost:", "@127.0.0.1:");
    let text = refused(&format!("{other}?sslmode=verify-full&sslrootcert={}", certificate.display())).await;
    assert!(text.contains("check the certificates"), "{text}");
    let text = refused(&format!("{url}?sslmode=disable")).await;
    assert!(text.contains("no encryption"), "{text}");
}
