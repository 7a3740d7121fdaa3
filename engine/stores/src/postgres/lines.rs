use super::Result;
use super::numbered::Numbered;
use super::transaction::Write;
use crate::shared::{int, json, origin_text, plugin_seq, stage_text, word};
use stageway_core::log::Line;
use stageway_core::name::RunId;

/// Lines as columns, for `unnest`.
#[derive(Default)]
struct Columns<'a> {
    stages: Vec<&'a str>,
    attempts: Vec<i64>,
    times: Vec<i64>,
    levels: Vec<String>,
    origins: Vec<String>,
    seqs: Vec<Option<i64>>,
    texts: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(lines: &[&'a Line]) -> Result<Self> {
        let mut columns = Self::default();
        for line in lines {
            columns.stages.push(stage_text(line));
            columns.attempts.push(i64::from(line.attempt));
            columns.times.push(int(line.at));
            columns.levels.push(word(&line.level)?);
            columns.origins.push(origin_text(&line.origin));
            columns.seqs.push(plugin_seq(line).map(i64::from));
            columns.texts.push(json(&line.text)?);
        }
        Ok(columns)
    }
}

impl Numbered for Line {
    const REMOVE: &'static str = "DELETE FROM line WHERE tenant = $1 AND run = $2 AND number > $3";

    async fn insert(write: &mut Write, run: &RunId, last: i64, lines: &[&Self]) -> Result<Vec<i64>> {
        let columns = Columns::of(lines)?;
        let numbers = sqlx::query_scalar(
            "INSERT INTO line (tenant, run, number, stage, attempt, at, level, origin, seq, text)
             SELECT $1, $2, $3 + given.place, given.stage, given.attempt, given.at, given.level, given.origin,
               given.seq, given.text
             FROM unnest($4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bigint[], $10::text[])
               WITH ORDINALITY AS given (stage, attempt, at, level, origin, seq, text, place)
             ORDER BY given.place
             ON CONFLICT (tenant, run, stage, attempt, origin) WHERE NOT struck DO NOTHING RETURNING number",
        )
        .bind(write.tenant.as_str())
        .bind(run.as_str())
        .bind(last)
        .bind(&columns.stages)
        .bind(&columns.attempts)
        .bind(&columns.times)
        .bind(&columns.levels)
        .bind(&columns.origins)
        .bind(&columns.seqs)
        .bind(&columns.texts)
        .fetch_all(&mut *write.sql)
        .await?;
        Ok(numbers)
    }
}

impl Write {
    /// Writes lines under the numbers after `last`, except those whose origin stands; answers how many were written.
    pub(super) async fn insert_lines(&mut self, run: &RunId, last: u64, lines: &[Line]) -> Result<u64> {
        self.insert_numbered(run, last, lines).await
    }
}
