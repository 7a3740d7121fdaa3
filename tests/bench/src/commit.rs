//! Appends of the kind that the end of a pure stage makes, and SQLite alone.

use crate::Bench;
use crate::cost::{Paired, since};
use crate::table::{Row, Target};
use anyhow::{Context as _, Result};
use rusqlite::Connection;
use serde_json::{Map, json};
use stageway_core::digest::Digest;
use stageway_core::journal::{End, FORMAT, Header, Outcome, Record};
use stageway_core::limits::AttemptLimits;
use stageway_core::name::{PipelineName, RunId, StageName, TenantId};
use stageway_core::run::{AttemptEnding, RunEvent, Usage};
use stageway_ports::{Batch, NewProof, NewRun, Store as _, Writer};
use stageway_stores::{FsBlobs, SqliteStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

/// Appends of one turn.
const TURN: u32 = 20;

/// A database whose runs take one append after the other.
pub(crate) struct Appends {
    store: SqliteStore,
    runs: u32,
    _directory: TempDir,
}

impl Appends {
    pub(crate) async fn open(parent: &Path) -> Result<Self> {
        let directory = tempfile::tempdir_in(parent)?;
        let blobs = Arc::new(FsBlobs::open(directory.path().join("blobs"))?);
        let store = SqliteStore::open(directory.path().join("db"), blobs).await?;
        Ok(Self { store, runs: 0, _directory: directory })
    }

    /// A new run: what is written of one grows with its stages.
    async fn run(&mut self) -> Result<Writer> {
        self.runs += 1;
        let (tenant, run) = (TenantId::local(), RunId::new(format!("floor-{}", self.runs))?);
        let (id, pipeline) = (run.clone(), PipelineName::new("floor")?);
        self.store
            .create_run(&tenant, NewRun { id, pipeline, plan: json!({}), at: 1, events: vec![] })
            .await?;
        let lease =
            self.store.lease(&tenant, &run, "bench", 1, 2, true).await?.context("a new run is free")?;
        Ok(Writer { tenant, run, fence: lease.fence })
    }

    /// Seconds of one append to a new run.
    pub(crate) async fn seconds(&mut self, count: u32) -> Result<f64> {
        let writer = self.run().await?;
        let (begun, mut version) = (Instant::now(), 0);
        for _ in 0..count {
            version = self.store.append(&writer, end_of_stage(version)?).await?;
        }
        Ok(since(begun) / f64::from(count))
    }
}

/// What becomes durable when a pure stage ends and the next one starts: its journal, its proof, both events.
fn end_of_stage(version: u64) -> Result<Batch> {
    let stage = StageName::new(format!("s{version}"))?;
    let (digest, at) = (Digest::of(&version.to_le_bytes()), 1_767_225_600_000 + version);
    let configuration = json!({ "round": "7", "number": version });
    let outputs: Map<_, _> = configuration.as_object().cloned().unwrap_or_default();
    let header = Header {
        format: FORMAT,
        contract: "0.1.0".into(),
        component: digest,
        configuration,
        tree: digest,
        limits: AttemptLimits::default(),
        seed: digest.hex(),
        at,
    };
    let end = End { seq: 1, at, outcome: Outcome::Ok(json!(outputs)), facts: Vec::new() };
    let records = [Record::Header(Box::new(header)), Record::End(Box::new(end))];
    let ending = AttemptEnding::Succeeded { outputs, artifacts: Default::default() };
    let compared = ["plugin", "workspace", "configuration", "limits", "grants", "sandbox"];
    Ok(Batch {
        expected: version,
        events: vec![
            RunEvent::AttemptEnded { at, stage: stage.clone(), attempt: 1, ending, usage: Usage::default() },
            RunEvent::AttemptStarted { at, stage: StageName::new(format!("s{}", version + 1))?, attempt: 1 },
        ],
        proofs: vec![NewProof {
            key: digest,
            stage: stage.clone(),
            attempt: 1,
            trust: 2,
            compared: compared
                .iter()
                .map(|what| ((*what).to_owned(), json!(digest)))
                .collect::<Map<_, _>>()
                .into(),
        }],
        records: records.map(|record| (stage.clone(), 1, record)).into(),
        ..Batch::default()
    })
}

/// A database with one table in a directory, as durable as ours.
pub(crate) fn database(directory: &Path, table: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(directory.join("db"))?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
    connection.execute_batch(&format!("CREATE TABLE {table}"))?;
    Ok(connection)
}

/// One table, and nothing of ours.
struct Alone {
    connection: Connection,
    key: i64,
    _directory: TempDir,
}

impl Alone {
    fn open(parent: &Path) -> Result<Self> {
        let directory = tempfile::tempdir_in(parent)?;
        let connection = database(directory.path(), "body (key INTEGER PRIMARY KEY, body TEXT NOT NULL)")?;
        Ok(Self { connection, key: 0, _directory: directory })
    }

    fn seconds(&mut self, count: u32) -> Result<f64> {
        let begun = Instant::now();
        for _ in 0..count {
            let Batch { events, proofs, records, .. } = end_of_stage(self.key.unsigned_abs())?;
            let mut bodies = Vec::new();
            for event in &events {
                bodies.push(serde_json::to_string(event)?);
            }
            for (_, _, record) in &records {
                bodies.push(serde_json::to_string(record)?);
            }
            bodies.extend(proofs.iter().map(|proof| proof.compared.to_string()));
            let transaction = self.connection.transaction()?;
            for body in bodies {
                self.key += 1;
                let mut insert =
                    transaction.prepare_cached("INSERT INTO body (key, body) VALUES (?1, ?2)")?;
                insert.execute((self.key, body))?;
            }
            transaction.commit()?;
        }
        Ok(since(begun) / f64::from(count))
    }
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut appends = Appends::open(&bench.directory).await?;
    let mut alone = Alone::open(&bench.directory)?;
    let mut paired = Paired::default();
    for round in 0..=bench.rounds(15, 3) {
        let floor = alone.seconds(TURN)?;
        let value = appends.seconds(TURN).await?;
        if round > 0 {
            paired.push(value, floor);
        }
    }
    Ok(vec![Row::paired("an append: the end of a pure stage", &paired, Target::None)])
}
