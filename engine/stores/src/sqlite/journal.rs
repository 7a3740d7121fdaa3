use super::transaction::Write;
use super::{Result, sql};
use crate::journal_body::Row;
use crate::shared::refusal;
use stageway_core::name::RunId;

impl Write {
    /// Writes those records that do not stand yet.
    pub(super) async fn insert_records(&mut self, run: &RunId, rows: &[Row]) -> Result<()> {
        for row in rows {
            self.insert_record(run, row).await?;
        }
        Ok(())
    }

    async fn insert_record(&mut self, run: &RunId, row: &Row) -> Result<()> {
        let done = sql::query(
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
        .execute(&mut self.sql)
        .await?;
        if done.rows_affected() == 0 && !row.is_same_as(&self.body(run, row).await?) {
            return Err(refusal::another_record(&row.stage, row.attempt, row.seq).into());
        }
        Ok(())
    }

    /// The body that stands under the key of a row.
    async fn body(&mut self, run: &RunId, row: &Row) -> Result<String> {
        let body = sql::query_scalar(
            "SELECT body FROM record
             WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4 AND seq = ?5 AND part = ?6",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(row.stage.as_str())
        .bind(row.attempt)
        .bind(row.seq)
        .bind(row.part)
        .fetch_one(&mut self.sql)
        .await?;
        Ok(body)
    }
}
