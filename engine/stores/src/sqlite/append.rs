use super::Result;
use super::codec::{int, json, word};
use super::group::Row;
use super::transaction::{HeldRun, Write};
use stageway_core::name::RunId;
use stageway_ports::{Batch, StoreError, Writer};

impl Write {
    /// Writes a batch, whose records are `rows`; whoever commits it counts the change.
    pub(super) async fn append(&mut self, writer: &Writer, batch: &Batch, rows: &[Row]) -> Result<u64> {
        let mut run = self.fenced(writer).await?;
        let id = &writer.run;
        if !batch.events.is_empty() && batch.expected != run.version {
            let (expected, found) = (batch.expected, run.version);
            return Err(StoreError::Version { run: id.clone(), expected, found }.into());
        }
        for row in rows {
            self.insert_record(id, row).await?;
        }
        for (stage, attempt, beyond) in &batch.strike {
            self.strike(id, stage, *attempt, *beyond).await?;
        }
        for line in &batch.lines {
            run.lines += self.insert_line(id, run.lines + 1, line).await?;
        }
        for report in &batch.reports {
            run.reports += self.insert_report(id, run.reports + 1, report).await?;
        }
        for proof in &batch.proofs {
            self.insert_proof(id, &run.pipeline, proof).await?;
        }
        self.insert_events(id, run.version, &batch.events).await?;
        batch.events.iter().for_each(|event| run.standing.apply(event));
        run.version += batch.events.len() as u64;
        if !(batch.events.is_empty() && batch.lines.is_empty() && batch.reports.is_empty()) {
            self.update_run(id, &run).await?;
        }
        for (environment, stage) in &batch.release_claims {
            self.give_back(environment, id, stage).await?;
        }
        if run.standing.ended_at().is_some() {
            self.drop_claims(id).await?;
        }
        Ok(run.version)
    }

    /// Writes the projections of the run's events, and how many lines and reports it has.
    async fn update_run(&mut self, id: &RunId, run: &HeldRun) -> Result<()> {
        sqlx::query(
            "UPDATE run SET version = ?3, standing = ?4, status = ?5, ended_at = ?6, lines = ?7, reports = ?8
             WHERE tenant = ?1 AND id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(id.as_str())
        .bind(int(run.version))
        .bind(json(&run.standing)?)
        .bind(word(&run.standing.status())?)
        .bind(run.standing.ended_at().map(int))
        .bind(int(run.lines))
        .bind(int(run.reports))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}
