use super::transaction::Write;
use super::{Result, sql};
use crate::shared::{int, json};
use stageway_core::log::Report;
use stageway_core::name::RunId;

impl Write {
    /// Writes reports under the numbers after `last`, except those whose key stands; answers how many were written.
    pub(super) async fn insert_reports(&mut self, run: &RunId, last: u64, reports: &[Report]) -> Result<u64> {
        let mut written = 0;
        for report in reports {
            written += self.insert_report(run, last + written + 1, report).await?;
        }
        Ok(written)
    }

    async fn insert_report(&mut self, run: &RunId, number: u64, report: &Report) -> Result<u64> {
        let done = sql::query(
            "INSERT INTO report (tenant, run, number, stage, attempt, seq, ordinal, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (tenant, run, stage, attempt, seq, ordinal) WHERE struck = 0 DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(int(number))
        .bind(report.stage.as_str())
        .bind(report.attempt)
        .bind(report.seq)
        .bind(report.ordinal)
        .bind(json(report)?)
        .execute(&mut self.sql)
        .await?;
        Ok(done.rows_affected())
    }
}
