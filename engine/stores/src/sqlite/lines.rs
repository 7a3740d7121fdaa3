use super::Result;
use super::codec::{from_word, int, name, unreadable, word};
use super::transaction::{Read, Write, limit};
use stageway_core::log::{Line, Origin};
use stageway_core::name::{RunId, StageName};
use stageway_ports::StoredLine;

type Row = (u64, String, u32, u64, String, String, bool, String);

macro_rules! strike {
    ($table:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET struck = 1 WHERE tenant = ?1 AND run = ?2 AND stage = ?3 AND attempt = ?4 AND seq > ?5 AND struck = 0"
        )
    };
}

impl Write {
    /// Writes a line under a number, unless its origin stands; answers how many were written.
    pub(super) async fn insert_line(&mut self, run: &RunId, number: u64, line: &Line) -> Result<u64> {
        let seq = match &line.origin {
            Origin::Plugin { seq, .. } => Some(*seq),
            Origin::Task { .. } | Origin::Engine { .. } => None,
        };
        let done = sqlx::query(
            "INSERT INTO line (tenant, run, number, stage, attempt, at, level, origin, seq, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (tenant, run, stage, attempt, origin) WHERE struck = 0 DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(int(number))
        .bind(line.stage.as_ref().map_or("", |stage| stage.as_str()))
        .bind(line.attempt)
        .bind(int(line.at))
        .bind(word(&line.level)?)
        .bind(origin_text(&line.origin))
        .bind(seq)
        .bind(line.text.as_str())
        .execute(&mut *self.sql)
        .await?;
        Ok(done.rows_affected())
    }

    /// Strikes out what the plugin wrote beyond a seq, lines and reports.
    pub(super) async fn strike(
        &mut self,
        run: &RunId,
        stage: &StageName,
        attempt: u32,
        beyond: u32,
    ) -> Result<()> {
        for statement in [strike!("line"), strike!("report")] {
            sqlx::query(statement)
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .bind(stage.as_str())
                .bind(attempt)
                .bind(beyond)
                .execute(&mut *self.sql)
                .await?;
        }
        Ok(())
    }
}

impl Read {
    pub(super) async fn lines(
        &mut self,
        run: &RunId,
        stage: Option<&StageName>,
        after: u64,
        max: u32,
    ) -> Result<Vec<StoredLine>> {
        self.check_run(run).await?;
        let found: Vec<Row> = sqlx::query_as(list(stage))
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .bind(int(after))
            .bind(limit(max))
            .bind(stage.map(|stage| stage.as_str()))
            .fetch_all(&mut *self.sql)
            .await?;
        found.into_iter().map(stored_line).collect()
    }
}

/// One statement with the stage and one without, so that each has its index. ?5 is bound in both.
fn list(stage: Option<&StageName>) -> &'static str {
    macro_rules! list {
        ($stage:literal) => {
            concat!(
                "SELECT number, stage, attempt, at, level, origin, struck, text FROM line WHERE tenant = ?1 \
                 AND run = ?2 AND number > ?3 AND ",
                $stage,
                " ORDER BY number LIMIT ?4"
            )
        };
    }
    match stage {
        None => list!("?5 IS NULL"),
        Some(_) => list!("stage = ?5"),
    }
}

fn stored_line((number, stage, attempt, at, level, origin, struck, text): Row) -> Result<StoredLine> {
    let stage = if stage.is_empty() { None } else { Some(name("the stage of a line", stage)?) };
    let level = from_word("the level of a line", level)?;
    let origin = read_origin(&origin)?;
    Ok(StoredLine { number, line: Line { stage, attempt, at, level, origin, text }, struck })
}

fn origin_text(origin: &Origin) -> String {
    match origin {
        Origin::Plugin { seq, ordinal } => format!("p:{seq}:{ordinal}"),
        Origin::Task { task, cursor } => format!("t:{task}:{cursor}"),
        Origin::Engine { key } => format!("e:{key}"),
    }
}

fn read_origin(text: &str) -> Result<Origin> {
    let wrong = || unreadable("the origin of a line", &text);
    let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
    if kind == "e" {
        return Ok(Origin::Engine { key: rest.to_owned() });
    }
    let (first, second) = rest.split_once(':').ok_or_else(wrong)?;
    match kind {
        "p" => Ok(Origin::Plugin {
            seq: first.parse().map_err(|_| wrong())?,
            ordinal: second.parse().map_err(|_| wrong())?,
        }),
        "t" => Ok(Origin::Task {
            task: name("the task of a line", first.to_owned())?,
            cursor: second.parse().map_err(|_| wrong())?,
        }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::name::TaskName;

    #[test]
    fn an_origin_comes_back_as_it_went() {
        let task = TaskName::new("run.build.1.2").unwrap();
        for there in [
            Origin::Plugin { seq: 0, ordinal: u32::MAX },
            Origin::Task { task, cursor: u64::MAX },
            Origin::Engine { key: "a:b: c".into() },
            Origin::Engine { key: String::new() },
        ] {
            assert_eq!(read_origin(&origin_text(&there)).unwrap(), there);
        }
        for wrong in ["", "p", "p:1", "p:1:x", "t::1", "x:1:2"] {
            assert!(read_origin(wrong).is_err(), "{wrong}");
        }
    }
}
