use super::{Result, Write};
use crate::journal_body::Row;
use crate::shared::{HeldRun, int, json, word};
use stageway_core::name::RunId;
use stageway_core::run::RunEvent;
use stageway_ports::{Batch, Writer};

impl Write {
    /// Writes a batch, whose records are `rows`: one statement for each kind of row, however many there are.
    pub(crate) async fn append(&mut self, writer: &Writer, batch: &Batch, rows: &[Row]) -> Result<u64> {
        let id = &writer.run;
        if batch.events.iter().any(|event| matches!(event, RunEvent::Ended { .. })) {
            self.hold_group_of(id).await?;
        }
        let mut run = self.fenced(writer).await?;
        run.check_version(id, batch)?;
        self.insert_records(id, rows).await?;
        for (stage, attempt, beyond) in &batch.strike {
            self.strike(id, stage, *attempt, *beyond).await?;
        }
        run.lines += self.insert_lines(id, run.lines, &batch.lines).await?;
        run.reports += self.insert_reports(id, run.reports, &batch.reports).await?;
        for proof in &batch.proofs {
            self.insert_proof(id, &run.pipeline, proof).await?;
        }
        self.insert_events(id, run.version, &batch.events).await?;
        run.apply(batch);
        if !(batch.events.is_empty() && batch.lines.is_empty() && batch.reports.is_empty()) {
            self.update_run(id, &run).await?;
        }
        for (environment, stage) in &batch.release_claims {
            self.give_back(environment, id, stage).await?;
        }
        if run.standing.ended_at().is_some() {
            self.drop_claims(id).await?;
            self.leave(id).await?;
        }
        self.changed();
        Ok(run.version)
    }

    /// Writes the projections of the run's events, and how many lines and reports it has.
    async fn update_run(&mut self, id: &RunId, run: &HeldRun) -> Result<()> {
        sqlx::query(
            "UPDATE run SET version = $3, standing = $4, status = $5, ended_at = $6, lines = $7, reports = $8
             WHERE tenant = $1 AND id = $2",
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
