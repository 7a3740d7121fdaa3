//! The floor of an answer: a bare axum route that checks the signature, reads the JSON and makes one row durable.

use super::client::SECRET;
use crate::commit::database;
use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rusqlite::Connection;
use serde_json::Value as Json;
use sha2::Sha256;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

type Database = Arc<Mutex<Connection>>;

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
        let connection = database(directory.path(), "delivery (key TEXT PRIMARY KEY, body BLOB NOT NULL)")?;
        let database = Arc::new(Mutex::new(connection));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new().route("/webhooks/bench", post(deliver)).with_state(database);
        let task = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        Ok(Self { address, task, _directory: directory })
    }
}

async fn deliver(State(database): State<Database>, headers: HeaderMap, body: Bytes) -> StatusCode {
    match store(database, &headers, body).await {
        Some(()) => StatusCode::ACCEPTED,
        None => StatusCode::BAD_REQUEST,
    }
}

async fn store(database: Database, headers: &HeaderMap, body: Bytes) -> Option<()> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let mut signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).ok()?;
    signature.update(&body);
    let given: Option<Vec<u8>> = {
        let text = text("x-gitea-signature")?;
        (0..text.len() / 2).map(|at| u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()).collect()
    };
    signature.verify_slice(&given?).ok()?;
    serde_json::from_slice::<Json>(&body).ok()?;
    let key = text("x-gitea-delivery")?.to_owned();
    let insert = move || {
        let database = database.lock().ok()?;
        let insert = database.prepare_cached("INSERT INTO delivery (key, body) VALUES (?1, ?2)");
        insert.ok()?.execute((key, body.as_ref())).ok()
    };
    tokio::task::spawn_blocking(insert).await.ok()?.map(drop)
}
