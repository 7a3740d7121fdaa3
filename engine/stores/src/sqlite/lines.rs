use super::Result;
use super::transaction::Write;
use crate::shared::{int, origin_text, plugin_seq, stage_text, word};
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use stageway_core::log::Line;
use stageway_core::name::RunId;
use std::sync::LazyLock;

/// Lines of one statement: each statement goes to the thread of the connection and back.
const TOGETHER: usize = 64;

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// One that writes so many lines, except those whose origin stands.
fn insert(lines: usize) -> String {
    let rows = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; lines].join(", ");
    format!(
        "INSERT INTO line (tenant, run, number, stage, attempt, at, level, origin, seq, text) VALUES {rows}
         ON CONFLICT (tenant, run, stage, attempt, origin) WHERE struck = 0 DO NOTHING"
    )
}

static ONE: LazyLock<String> = LazyLock::new(|| insert(1));
static MANY: LazyLock<String> = LazyLock::new(|| insert(TOGETHER));

impl Write {
    /// Writes lines under the numbers after `last`, except those whose origin stands; answers how many were written.
    pub(super) async fn insert_lines(&mut self, run: &RunId, last: u64, lines: &[Line]) -> Result<u64> {
        let mut written = 0;
        for some in lines.chunks(TOGETHER) {
            let whole = some.len() == TOGETHER && self.insert_at_once(run, last + written, some).await?;
            written += match whole {
                true => some.len() as u64,
                false => self.insert_one_by_one(run, last + written, some).await?,
            };
        }
        Ok(written)
    }

    /// Writes [`TOGETHER`] lines by one statement. Where some of them stood it writes nothing and answers no: a number is never left
    /// out.
    async fn insert_at_once(&mut self, run: &RunId, last: u64, lines: &[Line]) -> Result<bool> {
        let mut statement = sqlx::query(MANY.as_str());
        for (number, line) in (last + 1..).zip(lines) {
            statement = self.bind(statement, run, number, line)?;
        }
        let written = statement.execute(&mut *self.sql).await?.rows_affected();
        if written == lines.len() as u64 {
            return Ok(true);
        }
        sqlx::query("DELETE FROM line WHERE tenant = ?1 AND run = ?2 AND number > ?3")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .bind(int(last))
            .execute(&mut *self.sql)
            .await?;
        Ok(false)
    }

    async fn insert_one_by_one(&mut self, run: &RunId, last: u64, lines: &[Line]) -> Result<u64> {
        let mut written = 0;
        for line in lines {
            let statement = sqlx::query(ONE.as_str());
            let statement = self.bind(statement, run, last + written + 1, line)?;
            written += statement.execute(&mut *self.sql).await?.rows_affected();
        }
        Ok(written)
    }

    fn bind(&self, statement: Statement, run: &RunId, number: u64, line: &Line) -> Result<Statement> {
        Ok(statement
            .bind(self.tenant.as_str().to_owned())
            .bind(run.as_str().to_owned())
            .bind(int(number))
            .bind(stage_text(line).to_owned())
            .bind(line.attempt)
            .bind(int(line.at))
            .bind(word(&line.level)?)
            .bind(origin_text(&line.origin))
            .bind(plugin_seq(line))
            .bind(line.text.clone()))
    }
}
