//! What forges are to be told. A run is told twice: when it was made and when it has ended.

use super::{Result, Write, from_text, sql, text, unclaimed};
use crate::shared::{count, from_json, from_word, int, json, name, small, word};
use stageway_ports::{Admission, NewStatus, PendingStatus, Telling};

impl Write {
    pub(crate) async fn insert_of_run(&mut self, admission: &Admission) -> Result<()> {
        let Some(context) = &admission.context else { return Ok(()) };
        self.replace(admission.key.repository.as_str(), admission.revision.as_str(), context).await?;
        sql::query(
            "INSERT INTO status (tenant, repository, revision, context, run) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(self.tenant.as_str())
        .bind(admission.key.repository.as_str())
        .bind(admission.revision.as_str())
        .bind(text(context)?)
        .bind(admission.run.id.as_str())
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    pub(crate) async fn insert_fixed(&mut self, new: &NewStatus) -> Result<()> {
        self.replace(new.repository.as_str(), new.revision.as_str(), &new.report.context).await?;
        sql::query(
            "INSERT INTO status (tenant, repository, revision, context, fixed) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(self.tenant.as_str())
        .bind(new.repository.as_str())
        .bind(new.revision.as_str())
        .bind(text(&new.report.context)?)
        .bind(json(&new.report)?)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    /// What was to be told of this commit and context before is not told any more.
    async fn replace(&mut self, repository: &str, revision: &str, context: &str) -> Result<()> {
        sql::query(
            "UPDATE status SET closed = 1 WHERE tenant = $1 AND repository = $2 AND revision = $3
             AND context = $4 AND closed = 0",
        )
        .bind(self.tenant.as_str())
        .bind(repository)
        .bind(revision)
        .bind(text(context)?)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    pub(crate) async fn told(&mut self, pending: &PendingStatus) -> Result<()> {
        let (told, closed) = match &pending.what {
            Telling::Run { status, .. } => (word(status)?, status.is_final()),
            Telling::Fixed(report) => (word(&report.state)?, true),
        };
        sql::query(concat!(
            "UPDATE status SET told = $3, closed = closed | $4, attempts = 0, due = 0",
            unclaimed!(),
            " WHERE tenant = $1 AND number = $2",
        ))
        .bind(self.tenant.as_str())
        .bind(int(pending.number))
        .bind(told)
        .bind(i64::from(closed))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    pub(crate) async fn untold(&mut self, pending: &PendingStatus, due: Option<u64>) -> Result<()> {
        sql::query(concat!(
            "UPDATE status SET attempts = attempts + 1, due = $3, closed = closed | $4",
            unclaimed!(),
            " WHERE tenant = $1 AND number = $2",
        ))
        .bind(self.tenant.as_str())
        .bind(int(pending.number))
        .bind(int(due.unwrap_or(0)))
        .bind(i64::from(due.is_none()))
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}

/// Number, tenant, repository, commit, context, attempts; the run, its number, where it stands; what has no run.
pub(crate) type StatusRow =
    (i64, String, String, String, String, i64, Option<String>, Option<i64>, Option<String>, Option<String>);

/// The statuses `s` that are due at $1: `pending_rows!("LIMIT $2")`.
macro_rules! pending_rows {
    ($more:literal) => {
        concat!(
            "SELECT s.number, s.tenant, s.repository, s.revision, s.context, s.attempts,
               run.id, run.number, run.status, s.fixed
             FROM status AS s LEFT JOIN run ON run.tenant = s.tenant AND run.id = s.run
             WHERE s.closed = 0 AND s.due <= $1 AND (s.told IS NULL OR run.ended_at IS NOT NULL) ",
            $more
        )
    };
}
pub(crate) use pending_rows;

pub(crate) fn pending(row: StatusRow) -> Result<PendingStatus> {
    let (number, tenant, repository, revision, context, attempts, run, run_number, status, fixed) = row;
    let what = match (run, run_number, status, fixed) {
        (Some(run), Some(number), Some(status), _) => Telling::Run {
            run: name("the id of a run", run)?,
            number: count("the number of a run", number)?,
            status: from_word("the status of a run", status)?,
        },
        (_, _, _, fixed) => {
            Telling::Fixed(from_json("a status for a forge", fixed.as_deref().unwrap_or_default())?)
        }
    };
    Ok(PendingStatus {
        number: count("the number of a status", number)?,
        tenant: name("a tenant", tenant)?,
        repository: name("a repository", repository)?,
        revision: name("the revision of a status", revision)?,
        context: from_text("the context of a status", context)?,
        what,
        attempts: small("the attempts at a status", attempts)?,
    })
}
