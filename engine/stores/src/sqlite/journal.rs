use super::Result;
use super::group::Row;
use super::transaction::{Read, Write};
use crate::journal_body::is_same;
use stageway_core::name::{RunId, StageName};
use stageway_ports::StoreError;

impl Write {
    /// Writes a record, unless it stands already.
    pub(super) async fn insert_record(&mut self, run: &RunId, row: &Row) -> Result<()> {
        let done = sqlx::query(
            "INSERT INTO record (tenant, run, stage, attempt, seq, part, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(row.stage.as_str())
        .bind(row.attempt)
        .bind(row.seq)
        .bind(row.part)
        .bind(row.body.as_str())
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() == 0 && !is_same(&self.body(run, row).await?, &row.body) {
            let Row { stage, attempt, seq, .. } = row;
            let text = format!("record {seq} of {stage}, attempt {attempt}, stands with other contents");
            return Err(StoreError::Conflict(text).into());
        }
        Ok(())
    }

    /// The body that stands under the key of a row.
    async fn body(&mut self, run: &RunId, row: &Row) -> Result<String> {
        let body = sqlx::query_scalar(
            "SELECT body FROM record
             WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4 AND seq = ?5 AND part = ?6",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(row.stage.as_str())
        .bind(row.attempt)
        .bind(row.seq)
        .bind(row.part)
        .fetch_one(&mut *self.sql)
        .await?;
        Ok(body)
    }
}

impl Read {
    /// The bodies of an attempt's records, in order.
    pub(super) async fn journal(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
    ) -> Result<Vec<String>> {
        self.check_run(run).await?;
        let bodies = sqlx::query_scalar(
            "SELECT body FROM record WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4
             ORDER BY seq, part",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .bind(attempt)
        .fetch_all(&mut *self.sql)
        .await?;
        Ok(bodies)
    }
}
