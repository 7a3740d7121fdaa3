use super::transaction::Write;
use super::{Result, sql};
use crate::shared::{int, origin_text, plugin_seq, stage_text, word};
use stageway_core::log::Line;
use stageway_core::name::RunId;

/// Lines after which others have a turn on this thread.
const AT_ONCE: usize = 128;

impl Write {
    /// Writes lines under the numbers after `last`, except those whose origin stands; answers how many were written.
    pub(super) async fn insert_lines(&mut self, run: &RunId, last: u64, lines: &[Line]) -> Result<u64> {
        let mut written = 0;
        for (index, line) in lines.iter().enumerate() {
            if index % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            written += self.insert_line(run, last + written + 1, line).await?;
        }
        Ok(written)
    }

    async fn insert_line(&mut self, run: &RunId, number: u64, line: &Line) -> Result<u64> {
        let done = sql::query(
            "INSERT INTO line (tenant, run, number, stage, attempt, at, level, origin, seq, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (tenant, run, stage, attempt, origin) WHERE struck = 0 DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(int(number))
        .bind(stage_text(line))
        .bind(line.attempt)
        .bind(int(line.at))
        .bind(word(&line.level)?)
        .bind(origin_text(&line.origin))
        .bind(plugin_seq(line))
        .bind(&line.text)
        .execute(&mut self.sql)
        .await?;
        Ok(done.rows_affected())
    }
}
