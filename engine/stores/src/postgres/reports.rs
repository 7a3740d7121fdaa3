use super::Result;
use super::numbered::Numbered;
use super::transaction::Write;
use crate::shared::json;
use stageway_core::log::Report;
use stageway_core::name::RunId;

/// Reports as columns, for `unnest`.
#[derive(Default)]
struct Columns<'a> {
    stages: Vec<&'a str>,
    attempts: Vec<i64>,
    seqs: Vec<i64>,
    ordinals: Vec<i64>,
    bodies: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(reports: &[&'a Report]) -> Result<Self> {
        let mut columns = Self::default();
        for report in reports {
            columns.stages.push(report.stage.as_str());
            columns.attempts.push(i64::from(report.attempt));
            columns.seqs.push(i64::from(report.seq));
            columns.ordinals.push(i64::from(report.ordinal));
            columns.bodies.push(json(report)?);
        }
        Ok(columns)
    }
}

impl Numbered for Report {
    const REMOVE: &'static str = "DELETE FROM report WHERE tenant = $1 AND run = $2 AND number > $3";

    async fn insert(write: &mut Write, run: &RunId, last: i64, reports: &[&Self]) -> Result<Vec<i64>> {
        let columns = Columns::of(reports)?;
        let numbers = sqlx::query_scalar(
            "INSERT INTO report (tenant, run, number, stage, attempt, seq, ordinal, body)
             SELECT $1, $2, $3 + given.place, given.stage, given.attempt, given.seq, given.ordinal, given.body
             FROM unnest($4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[])
               WITH ORDINALITY AS given (stage, attempt, seq, ordinal, body, place)
             ORDER BY given.place
             ON CONFLICT (tenant, run, stage, attempt, seq, ordinal) WHERE NOT struck DO NOTHING RETURNING number",
        )
        .bind(write.tenant.as_str())
        .bind(run.as_str())
        .bind(last)
        .bind(&columns.stages)
        .bind(&columns.attempts)
        .bind(&columns.seqs)
        .bind(&columns.ordinals)
        .bind(&columns.bodies)
        .fetch_all(&mut *write.sql)
        .await?;
        Ok(numbers)
    }
}

impl Write {
    /// Writes reports under the numbers after `last`, except those whose key stands; answers how many were written.
    pub(super) async fn insert_reports(&mut self, run: &RunId, last: u64, reports: &[Report]) -> Result<u64> {
        self.insert_numbered(run, last, reports).await
    }
}
