//! Appends that wait at the same time become durable together: one flush of the disk for all of them.
//!
//! Each of several keeps a savepoint of its own, so that one that is refused takes nothing of the others with it, and none is
//! answered before the transaction is durable. Where nobody else waits, a group is one append: nothing is delayed to fill it.

use super::transaction::{Transaction, Write};
use super::{Failure, Result};
use crate::journal_body::Row;
use sqlx::SqlitePool;
use stageway_ports::{Batch, StoreError, Writer};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot, watch};

/// Appends in one transaction at most.
const TOGETHER: usize = 64;
/// Appends that wait for their transaction at most; the next ones wait to be taken.
const WAITING: usize = 256;

type Answer = std::result::Result<u64, StoreError>;

struct Job {
    writer: Writer,
    /// Without its records.
    batch: Batch,
    rows: Vec<Row>,
    answer: oneshot::Sender<Answer>,
}

/// Where appends go. The task behind it ends with the last handle.
#[derive(Debug)]
pub(super) struct Appends(mpsc::Sender<Job>);

impl Appends {
    pub(super) fn start(
        path: Arc<Path>,
        writer: SqlitePool,
        changes: watch::Sender<()>,
        commits: Arc<AtomicU64>,
    ) -> Self {
        let (jobs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(Committer { path, writer, changes, commits }.work(waiting));
        Self(jobs)
    }

    /// Answers when the append is durable. Dropped, it may or may not be done.
    pub(super) async fn append(&self, writer: Writer, batch: Batch, rows: Vec<Row>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let gone = |_| StoreError::Storage("the store is closed: open it again".into());
        self.0.send(Job { writer, batch, rows, answer }).await.map_err(|_| gone(()))?;
        answered.await.map_err(|_| gone(()))?
    }
}

struct Committer {
    path: Arc<Path>,
    writer: SqlitePool,
    changes: watch::Sender<()>,
    commits: Arc<AtomicU64>,
}

impl Committer {
    async fn work(self, mut waiting: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(TOGETHER);
        while waiting.recv_many(&mut jobs, TOGETHER).await > 0 {
            let done = self.commit(&jobs).await.map_err(|failure| failure.at(&self.path));
            self.changes.send_replace(());
            match done {
                // Who does not wait for the answer any more does not need it.
                Ok(answers) => jobs.drain(..).zip(answers).for_each(|(job, answer)| {
                    let _ = job.answer.send(answer);
                }),
                Err(error) => jobs.drain(..).for_each(|job| {
                    let _ = job.answer.send(Err(error.clone()));
                }),
            }
        }
    }

    /// One transaction; a failure of the storage is everybody's, a refusal is its own.
    async fn commit(&self, jobs: &[Job]) -> Result<Vec<Answer>> {
        let sql = Transaction::immediate(&self.writer).await?;
        let answers = match jobs {
            [job] => vec![alone(sql, job).await?],
            jobs => together(sql, jobs).await?,
        };
        if answers.iter().any(Answer::is_ok) {
            self.commits.fetch_add(1, Ordering::Relaxed);
        }
        Ok(answers)
    }
}

async fn alone(sql: Transaction, job: &Job) -> Result<Answer> {
    let mut write = Write::within(sql, &job.writer.tenant);
    match write.append(&job.writer, &job.batch, &job.rows).await {
        Ok(version) => {
            write.count_and_commit().await?;
            Ok(Ok(version))
        }
        Err(Failure::Refused(refusal)) => {
            write.sql.end("ROLLBACK").await?;
            Ok(Err(refusal))
        }
        Err(failure) => Err(failure),
    }
}

async fn together(mut sql: Transaction, jobs: &[Job]) -> Result<Vec<Answer>> {
    let mut answers = Vec::with_capacity(jobs.len());
    for job in jobs {
        sql.run("SAVEPOINT append").await?;
        let mut write = Write::within(sql, &job.writer.tenant);
        let answer = match write.append(&job.writer, &job.batch, &job.rows).await {
            Ok(version) => {
                write.count_change().await?;
                Ok(version)
            }
            Err(Failure::Refused(refusal)) => Err(refusal),
            Err(failure) => return Err(failure),
        };
        sql = write.sql;
        if answer.is_err() {
            sql.run("ROLLBACK TO append").await?;
        }
        sql.run("RELEASE append").await?;
        answers.push(answer);
    }
    sql.end("COMMIT").await?;
    Ok(answers)
}
