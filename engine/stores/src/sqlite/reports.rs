use super::Result;
use super::codec::{from_json, int, json};
use super::transaction::{Read, Write};
use stageway_core::log::Report;
use stageway_core::name::RunId;

impl Write {
    /// Writes a report under a number, unless its key stands; answers how many were written.
    pub(super) async fn insert_report(&mut self, run: &RunId, number: u64, report: &Report) -> Result<u64> {
        let done = sqlx::query(
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
        .execute(&mut *self.sql)
        .await?;
        Ok(done.rows_affected())
    }
}

impl Read {
    pub(super) async fn reports(&mut self, run: &RunId) -> Result<Vec<Report>> {
        self.check_run(run).await?;
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM report WHERE tenant = ?1 AND run = ?2 AND struck = 0 ORDER BY number",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        bodies.iter().map(|body| from_json("a report", body)).collect()
    }
}
