use super::Result;
use super::transaction::Write;
use crate::journal_body::Row;
use crate::shared::refusal;
use stageway_core::name::RunId;

/// The keys of records as columns, for `unnest`.
#[derive(Default)]
struct Keys<'a> {
    stages: Vec<&'a str>,
    attempts: Vec<i64>,
    seqs: Vec<i64>,
    parts: Vec<i16>,
}

impl<'a> Keys<'a> {
    fn of(rows: &'a [Row]) -> Self {
        let mut keys = Self::default();
        for row in rows {
            keys.stages.push(row.stage.as_str());
            keys.attempts.push(i64::from(row.attempt));
            keys.seqs.push(i64::from(row.seq));
            keys.parts.push(i16::from(row.part));
        }
        keys
    }
}

impl Write {
    /// Writes those records that do not stand yet.
    pub(super) async fn insert_records(&mut self, run: &RunId, rows: &[Row]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let keys = Keys::of(rows);
        let bodies: Vec<&str> = rows.iter().map(|row| row.body.as_str()).collect();
        let done = sqlx::query(
            "INSERT INTO record (tenant, run, stage, attempt, seq, part, body)
             SELECT $1, $2, given.* FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::smallint[], $7::text[])
             AS given ON CONFLICT DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(&keys.stages)
        .bind(&keys.attempts)
        .bind(&keys.seqs)
        .bind(&keys.parts)
        .bind(&bodies)
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() < rows.len() as u64 {
            self.compare_records(run, rows, &keys).await?;
        }
        Ok(())
    }

    /// That what stands under the keys of these records is what they are.
    async fn compare_records(&mut self, run: &RunId, rows: &[Row], keys: &Keys<'_>) -> Result<()> {
        let bodies: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::smallint[]) WITH ORDINALITY
               AS given (stage, attempt, seq, part, place)
             JOIN record ON record.tenant = $1 AND record.run = $2 AND record.stage = given.stage
               AND record.attempt = given.attempt AND record.seq = given.seq AND record.part = given.part
             ORDER BY given.place",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(&keys.stages)
        .bind(&keys.attempts)
        .bind(&keys.seqs)
        .bind(&keys.parts)
        .fetch_all(&mut *self.sql)
        .await?;
        match rows.iter().zip(&bodies).find(|(row, body)| !row.is_same_as(body)) {
            Some((row, _)) => Err(refusal::another_record(&row.stage, row.attempt, row.seq).into()),
            None => Ok(()),
        }
    }
}
