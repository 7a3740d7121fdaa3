use super::super::transaction::{Read, Transaction, Write};
use super::super::{Result, SqliteStore};
use crate::shared::{from_json, from_word, json, limit, name};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use stageway_core::name::{ReceiptId, RunId, TenantId};
use stageway_ports::{Admission, Admitted, RunOrigin, StoreError};

impl Write {
    pub(super) async fn admit(&mut self, admission: &Admission) -> Result<Admitted> {
        let found: Option<(String, u64)> = sqlx::query_as(
            "SELECT run.id, run.number FROM origin JOIN run ON run.tenant = origin.tenant AND run.id = origin.run
             WHERE origin.tenant = ?1 AND origin.key = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(admission.key.text())
        .fetch_optional(&mut *self.sql)
        .await?;
        if let Some((run, number)) = found {
            return Ok(Admitted { run: name("the id of a run", run)?, number, new: false });
        }
        let run = &admission.run.id;
        if self.origin_exists(run).await? {
            return Err(StoreError::Conflict(format!("run {run} stands under another key")).into());
        }
        let number = self.create_run(&admission.run).await?;
        self.insert_origin(admission).await?;
        self.insert_of_run(admission).await?;
        self.changed();
        Ok(Admitted { run: run.clone(), number, new: true })
    }

    async fn origin_exists(&mut self, run: &RunId) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM origin WHERE tenant = ?1 AND run = ?2)")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .fetch_one(&mut *self.sql)
            .await?)
    }

    async fn insert_origin(&mut self, admission: &Admission) -> Result<()> {
        sqlx::query(
            "INSERT INTO origin (tenant, run, key, revision, delivery, concurrency, after, listened)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(self.tenant.as_str())
        .bind(admission.run.id.as_str())
        .bind(admission.key.text())
        .bind(admission.revision.as_str())
        .bind(admission.delivery.as_ref().map(ReceiptId::as_str))
        .bind(admission.concurrency.as_ref().map(json).transpose()?)
        .bind(admission.after.as_ref().map(RunId::as_str))
        .bind(admission.listened)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}

type Row = (String, u64, String, String, Option<String>, Option<String>, Option<String>, String);

const COLUMNS: &str = "run.id, run.number, origin.key, origin.revision, origin.delivery, origin.concurrency, origin.after, run.status";
const JOIN: &str = "FROM run JOIN origin ON origin.tenant = run.tenant AND origin.run = run.id";

impl SqliteStore {
    pub(super) async fn unfollowed_runs(&self, max: u32) -> Result<Vec<(TenantId, RunOrigin)>> {
        let statement = format!(
            "SELECT origin.tenant, {COLUMNS} {JOIN}
             WHERE origin.listened = 1 AND run.ended_at IS NOT NULL ORDER BY run.created_at, run.number LIMIT ?1"
        );
        let mut sql = Transaction::begin(&self.inner.readers, "BEGIN").await?;
        let rows: Vec<SqliteRow> =
            sqlx::query(sqlx::AssertSqlSafe(statement)).bind(limit(max)).fetch_all(&mut *sql).await?;
        sql.end("COMMIT").await?;
        let read = |row: SqliteRow| {
            let columns: Row = (
                row.try_get(1)?,
                row.try_get(2)?,
                row.try_get(3)?,
                row.try_get(4)?,
                row.try_get(5)?,
                row.try_get(6)?,
                row.try_get(7)?,
                row.try_get(8)?,
            );
            Ok((name("a tenant", row.try_get(0)?)?, origin(columns)?))
        };
        rows.into_iter().map(read).collect()
    }
}

impl Write {
    pub(super) async fn followed(&mut self, run: &RunId) -> Result<()> {
        sqlx::query("UPDATE origin SET listened = 0 WHERE tenant = ?1 AND run = ?2")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }
}

impl Read {
    pub(super) async fn unfinished(&mut self, max: u32) -> Result<Vec<RunOrigin>> {
        let statement = format!(
            "SELECT {COLUMNS} {JOIN} WHERE run.tenant = ?1 AND run.ended_at IS NULL ORDER BY run.number LIMIT ?2"
        );
        let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(self.tenant.as_str())
            .bind(limit(max))
            .fetch_all(&mut *self.sql)
            .await?;
        rows.into_iter().map(origin).collect()
    }

    pub(super) async fn origin(&mut self, run: &RunId) -> Result<Option<RunOrigin>> {
        let statement = format!("SELECT {COLUMNS} {JOIN} WHERE run.tenant = ?1 AND run.id = ?2");
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        row.map(origin).transpose()
    }
}

fn origin((run, number, key, revision, delivery, concurrency, after, status): Row) -> Result<RunOrigin> {
    Ok(RunOrigin {
        run: name("the id of a run", run)?,
        number,
        key: from_json("the key of a run", &key)?,
        revision: name("the revision of a run", revision)?,
        delivery: delivery.map(|text| name("the id of a delivery", text)).transpose()?,
        concurrency: concurrency.map(|text| from_json("the concurrency of a run", &text)).transpose()?,
        after: after.map(|text| name("the id of a run", text)).transpose()?,
        status: from_word("the status of a run", status)?,
    })
}
