use super::{Read, Result, Write, from_text, locking, sql, text};
use crate::shared::{self, ReleaseRow, from_json, int, json, limit, refusal};
use stageway_core::name::EnvironmentName;
use stageway_ports::{Release, Writer};

impl Write {
    pub(crate) async fn release(
        &mut self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &Release,
    ) -> Result<()> {
        self.fenced(writer).await?;
        if self.is_released(environment, release).await? {
            return Ok(());
        }
        if release.run != writer.run || !self.is_held_by(environment, &writer.run).await? {
            return Err(refusal::no_lock(release, environment).into());
        }
        sql::query(
            "INSERT INTO release (tenant, environment, id, run, at, what, verdict, reason)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(release.id.as_str())
        .bind(release.run.as_str())
        .bind(int(release.at))
        .bind(json(&release.what)?)
        .bind(text(&release.verdict)?)
        .bind(text(&release.reason)?)
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// Whether this very release stands already.
    async fn is_released(&mut self, environment: &EnvironmentName, release: &Release) -> Result<bool> {
        let found: Option<(String, String)> =
            sql::query_as("SELECT run, what FROM release WHERE tenant = $1 AND environment = $2 AND id = $3")
                .bind(self.tenant.as_str())
                .bind(environment.as_str())
                .bind(release.id.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let Some((run, what)) = found else { return Ok(false) };
        let what: serde_json::Value = from_json("a release", &what)?;
        if run == release.run.as_str() && what == release.what {
            return Ok(true);
        }
        Err(refusal::another_release(release).into())
    }

    pub(crate) async fn judge(
        &mut self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &str,
        verdict: &str,
        reason: &str,
    ) -> Result<()> {
        self.fenced(writer).await?;
        let found: Option<(String, String)> = sql::query_as(locking!(
            "SELECT verdict, reason FROM release WHERE tenant = $1 AND environment = $2 AND id = $3"
        ))
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(release)
        .fetch_optional(&mut *self.sql)
        .await?;
        let verdict = text(verdict)?;
        let (before, because) = found.ok_or_else(|| refusal::no_release(release, environment))?;
        if before == verdict && because != text("")? {
            return Ok(());
        }
        sql::query(
            "UPDATE release SET verdict = $4, reason = $5 WHERE tenant = $1 AND environment = $2 AND id = $3",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(release)
        .bind(verdict)
        .bind(text(reason)?)
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }
}

impl Read {
    pub(crate) async fn releases(&mut self, environment: &EnvironmentName, max: u32) -> Result<Vec<Release>> {
        let found: Vec<ReleaseRow> = sql::query_as(
            "SELECT id, run, at, what, verdict, reason FROM release WHERE tenant = $1 AND environment = $2
             ORDER BY number DESC LIMIT $3",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(limit(max))
        .fetch_all(&mut *self.sql)
        .await?;
        found.into_iter().map(release).collect()
    }
}

fn release(mut row: ReleaseRow) -> Result<Release> {
    row.4 = from_text("the verdict on a release", row.4)?;
    row.5 = from_text("the reason of a verdict", row.5)?;
    Ok(shared::release(row)?)
}
