use super::Result;
use super::codec::{from_json, json};
use super::transaction::{Read, Write};
use stageway_core::journal::Record;
use stageway_core::name::{RunId, StageName};
use stageway_ports::StoreError;

impl Write {
    /// Writes a record, unless it stands already.
    pub(super) async fn insert_record(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
        record: &Record,
    ) -> Result<()> {
        let done = sqlx::query(
            "INSERT INTO record (tenant, run, stage, attempt, seq, part, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .bind(attempt)
        .bind(record.seq())
        .bind(record.part())
        .bind(json(record)?)
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() == 0 && self.record(run, stage, attempt, record).await? != *record {
            let seq = record.seq();
            let text = format!("record {seq} of {stage}, attempt {attempt}, stands with other contents");
            return Err(StoreError::Conflict(text).into());
        }
        Ok(())
    }

    /// The record that stands under the key of `like`.
    async fn record(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
        like: &Record,
    ) -> Result<Record> {
        let body: String = sqlx::query_scalar(
            "SELECT body FROM record
             WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4 AND seq = ?5 AND part = ?6",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .bind(attempt)
        .bind(like.seq())
        .bind(like.part())
        .fetch_one(&mut *self.sql)
        .await?;
        from_json("a record of a journal", &body)
    }
}

impl Read {
    pub(super) async fn journal(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Result<Vec<Record>> {
        self.check_run(run).await?;
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM record WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4
             ORDER BY seq, part",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .bind(attempt)
        .fetch_all(&mut *self.sql)
        .await?;
        bodies.iter().map(|body| from_json("a record of a journal", body)).collect()
    }
}
