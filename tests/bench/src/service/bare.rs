//! The floor of an answer: a bare axum route that checks the signature, reads the JSON and makes one row durable.

use super::client::SECRET;
use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value as Json;
use sha2::Sha256;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A server with that one route; ended when dropped.
pub(crate) struct Bare {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
    _directory: TempDir,
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bare {
    pub(crate) async fn start(parent: &Path) -> Result<Self> {
        let directory = tempfile::tempdir_in(parent)?;
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        sqlx::query("CREATE TABLE delivery (key TEXT PRIMARY KEY, body BLOB NOT NULL)")
            .execute(&pool)
            .await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/webhooks/bench", post(deliver)).with_state(pool);
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { address, task, _directory: directory })
    }
}

async fn deliver(State(pool): State<SqlitePool>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match store(&pool, &headers, &body).await {
        Some(()) => StatusCode::ACCEPTED,
        None => StatusCode::BAD_REQUEST,
    }
}

async fn store(pool: &SqlitePool, headers: &HeaderMap, body: &Bytes) -> Option<()> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let mut signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).ok()?;
    signature.update(body);
    let given: Option<Vec<u8>> = {
        let text = text("x-gitea-signature")?;
        (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
    };
    signature.verify_slice(&given?).ok()?;
    serde_json::from_slice::<Json>(body).ok()?;
    let insert = sqlx::query("INSERT INTO delivery (key, body) VALUES (?1, ?2)");
    insert.bind(text("x-gitea-delivery")?).bind(body.as_ref()).execute(pool).await.ok().map(drop)
}
