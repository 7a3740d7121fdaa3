//! What forges are to be told. A run is told twice: when it was made and when it has ended.

use super::super::transaction::{Transaction, Write};
use super::super::{Result, SqliteStore};
use crate::shared::{from_json, from_word, int, json, limit, name, word};
use stageway_ports::{Admission, NewStatus, PendingStatus, Telling};

impl Write {
    pub(super) async fn insert_of_run(&mut self, admission: &Admission) -> Result<()> {
        self.replace(admission.key.repository.as_str(), admission.revision.as_str(), &admission.context)
            .await?;
        sqlx::query(
            "INSERT INTO status (tenant, repository, revision, context, run) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(self.tenant.as_str())
        .bind(admission.key.repository.as_str())
        .bind(admission.revision.as_str())
        .bind(admission.context.as_str())
        .bind(admission.run.id.as_str())
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    pub(super) async fn insert_fixed(&mut self, new: &NewStatus) -> Result<()> {
        self.replace(new.repository.as_str(), new.revision.as_str(), &new.report.context).await?;
        sqlx::query(
            "INSERT INTO status (tenant, repository, revision, context, fixed) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(self.tenant.as_str())
        .bind(new.repository.as_str())
        .bind(new.revision.as_str())
        .bind(new.report.context.as_str())
        .bind(json(&new.report)?)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    /// What was to be told of this commit and context before is not told any more.
    async fn replace(&mut self, repository: &str, revision: &str, context: &str) -> Result<()> {
        sqlx::query(
            "UPDATE status SET closed = 1 WHERE tenant = ?1 AND repository = ?2 AND revision = ?3
             AND context = ?4 AND closed = 0",
        )
        .bind(self.tenant.as_str())
        .bind(repository)
        .bind(revision)
        .bind(context)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    pub(super) async fn told(&mut self, pending: &PendingStatus) -> Result<()> {
        let (told, closed) = match &pending.what {
            Telling::Run { status, .. } => (word(status)?, status.is_final()),
            Telling::Fixed(report) => (word(&report.state)?, true),
        };
        sqlx::query(
            "UPDATE status SET told = ?3, closed = max(closed, ?4), attempts = 0, due = 0
             WHERE tenant = ?1 AND number = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(int(pending.number))
        .bind(told)
        .bind(closed)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    pub(super) async fn untold(&mut self, pending: &PendingStatus, due: Option<u64>) -> Result<()> {
        sqlx::query(
            "UPDATE status SET attempts = attempts + 1, due = ?3, closed = max(closed, ?4)
             WHERE tenant = ?1 AND number = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(int(pending.number))
        .bind(int(due.unwrap_or(0)))
        .bind(due.is_none())
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}

type Row =
    (u64, String, String, String, String, u32, Option<String>, Option<u64>, Option<String>, Option<String>);

const PENDING: &str = "SELECT s.number, s.tenant, s.repository, s.revision, s.context, s.attempts,
    run.id, run.number, run.status, s.fixed
    FROM status AS s LEFT JOIN run ON run.tenant = s.tenant AND run.id = s.run
    WHERE s.closed = 0 AND s.due <= ?1 AND (s.told IS NULL OR run.ended_at IS NOT NULL)
    ORDER BY s.number LIMIT ?2";

impl SqliteStore {
    pub(super) async fn pending_statuses(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>> {
        let mut sql = Transaction::begin(&self.inner.readers, "BEGIN").await?;
        let rows: Vec<Row> =
            sqlx::query_as(PENDING).bind(int(now)).bind(limit(max)).fetch_all(&mut *sql).await?;
        sql.end("COMMIT").await?;
        rows.into_iter().map(pending).collect()
    }
}

fn pending(row: Row) -> Result<PendingStatus> {
    let (number, tenant, repository, revision, context, attempts, run, run_number, status, fixed) = row;
    let what = match (run, run_number, status, fixed) {
        (Some(run), Some(number), Some(status), _) => Telling::Run {
            run: name("the id of a run", run)?,
            number,
            status: from_word("the status of a run", status)?,
        },
        (_, _, _, fixed) => {
            Telling::Fixed(from_json("a status for a forge", fixed.as_deref().unwrap_or_default())?)
        }
    };
    Ok(PendingStatus {
        number,
        tenant: name("a tenant", tenant)?,
        repository: name("a repository", repository)?,
        revision: name("the revision of a status", revision)?,
        context,
        what,
        attempts,
    })
}
