use super::{Result, Write, sql};
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
        for (environment, stage) in &batch.release_claims {
            self.give_back(environment, id, stage).await?;
        }
        if !(batch.events.is_empty() && batch.lines.is_empty() && batch.reports.is_empty()) {
            self.update_run(id, &run).await?;
        }
        self.changed();
        Ok(run.version)
    }

    /// Writes the projections of the run's events, and how many lines and reports it has. A run that has ended gives back what
    /// it holds: its place, its locks, its turn in its group.
    async fn update_run(&mut self, id: &RunId, run: &HeldRun) -> Result<()> {
        let (lane, holds): (Option<String>, i32) = sql::query_as(
            "UPDATE run SET version = $3, standing = $4, status = $5, ended_at = $6, lines = $7, reports = $8,
               turn = CASE WHEN $9 = 1 THEN NULL ELSE turn END
             WHERE tenant = $1 AND id = $2
             RETURNING lane,
               CASE WHEN EXISTS (SELECT 1 FROM environment WHERE tenant = $1 AND run = $2) THEN 1 ELSE 0 END",
        )
        .bind(self.tenant.as_str())
        .bind(id.as_str())
        .bind(int(run.version))
        .bind(json(&run.standing)?)
        .bind(word(&run.standing.status())?)
        .bind(run.standing.ended_at().map(int))
        .bind(int(run.lines))
        .bind(int(run.reports))
        .bind(i32::from(run.standing.ended_at().is_some()))
        .fetch_one(&mut *self.sql)
        .await?;
        if run.standing.ended_at().is_none() {
            return Ok(());
        }
        if holds == 1 {
            self.drop_claims(id).await?;
        }
        match lane {
            Some(lane) => self.go_on(&lane).await,
            None => Ok(()),
        }
    }
}
