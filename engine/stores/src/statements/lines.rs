use super::{Read, Result, Write, from_text, sql};
use crate::shared::{LineRow, int, limit, stored_line};
use stageway_core::name::{RunId, StageName};
use stageway_ports::StoredLine;

macro_rules! strike {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET struck = TRUE WHERE tenant = $1 AND run = $2 AND stage = $3 AND attempt = $4 AND seq > $5 AND NOT struck"
        )
    };
}

impl Write {
    /// Strikes out what the plugin wrote beyond a seq, lines and reports.
    pub(crate) async fn strike(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
        beyond: u32,
    ) -> Result<()> {
        for statement in [strike!("line"), strike!("report")] {
            sql::query(statement)
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .bind(stage.as_str())
                .bind(i64::from(attempt))
                .bind(i64::from(beyond))
                .execute(&mut *self.sql)
                .await?;
        }
        Ok(())
    }
}

impl Read {
    pub(crate) async fn lines(
        &mut self,
        run: &RunId,
        stage: Option<&StageName>,
        after: u64,
        max: u32,
    ) -> Result<Vec<StoredLine>> {
        let query = sql::query_as(if stage.is_none() { ALL } else { OF_STAGE })
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .bind(int(after))
            .bind(limit(max));
        let query = match stage {
            None => query,
            Some(stage) => query.bind(stage.as_str()),
        };
        let found: Vec<LineRow> = query.fetch_all(&mut *self.sql).await?;
        let found = self.checked(run, found).await?;
        found.into_iter().map(line).collect()
    }
}

/// One statement with the stage and one without, so that each has its index.
pub(crate) const ALL: &str = "SELECT number, stage, attempt, at, level, origin, struck, text FROM line
     WHERE tenant = $1 AND run = $2 AND number > $3 ORDER BY number LIMIT $4";
pub(crate) const OF_STAGE: &str = "SELECT number, stage, attempt, at, level, origin, struck, text FROM line
     WHERE tenant = $1 AND run = $2 AND number > $3 AND stage = $5 ORDER BY number LIMIT $4";

fn line(mut row: LineRow) -> Result<StoredLine> {
    row.7 = from_text("the text of a line", row.7)?;
    Ok(stored_line(row)?)
}
