use super::Result;
use super::codec::{from_json, int, json, name};
use super::transaction::{Read, Write, limit};
use stageway_core::name::EnvironmentName;
use stageway_ports::{Release, StoreError, Writer};

impl Write {
    pub(super) async fn release(
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
            let text = format!("run {} does not hold the environment {environment}", release.run);
            return Err(StoreError::Conflict(text).into());
        }
        sqlx::query(
            "INSERT INTO release (tenant, environment, id, run, at, what, verdict, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(release.id.as_str())
        .bind(release.run.as_str())
        .bind(int(release.at))
        .bind(json(&release.what)?)
        .bind(release.verdict.as_str())
        .bind(release.reason.as_str())
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// Whether this very release stands already.
    async fn is_released(&mut self, environment: &EnvironmentName, release: &Release) -> Result<bool> {
        let found: Option<(String, String)> = sqlx::query_as(
            "SELECT run, what FROM release WHERE tenant = ?1 AND environment = ?2 AND id = ?3",
        )
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
        Err(StoreError::Conflict(format!("release {} stands with other contents", release.id)).into())
    }

    pub(super) async fn judge(
        &mut self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &str,
        verdict: &str,
        reason: &str,
    ) -> Result<()> {
        self.fenced(writer).await?;
        let found: Option<String> = sqlx::query_scalar(
            "SELECT verdict FROM release WHERE tenant = ?1 AND environment = ?2 AND id = ?3",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(release)
        .fetch_optional(&mut *self.sql)
        .await?;
        let missing = || StoreError::NotFound(format!("release {release} of {environment}"));
        if found.ok_or_else(missing)? == verdict {
            return Ok(());
        }
        sqlx::query(
            "UPDATE release SET verdict = ?4, reason = ?5 WHERE tenant = ?1 AND environment = ?2 AND id = ?3",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(release)
        .bind(verdict)
        .bind(reason)
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }
}

impl Read {
    pub(super) async fn releases(&mut self, environment: &EnvironmentName, max: u32) -> Result<Vec<Release>> {
        let found: Vec<(String, String, u64, String, String, String)> = sqlx::query_as(
            "SELECT id, run, at, what, verdict, reason FROM release WHERE tenant = ?1 AND environment = ?2
             ORDER BY number DESC LIMIT ?3",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(limit(max))
        .fetch_all(&mut *self.sql)
        .await?;
        let release = |(id, run, at, what, verdict, reason): (_, _, _, String, _, _)| {
            let (run, what) = (name("the run of a release", run)?, from_json("a release", &what)?);
            Ok(Release { id, run, at, what, verdict, reason })
        };
        found.into_iter().map(release).collect()
    }
}
