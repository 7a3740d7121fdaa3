use super::Result;
use super::codec::{int, name};
use super::transaction::Write;
use stageway_core::name::{EnvironmentName, RunId, StageName};
use stageway_ports::{Claim, ClaimAnswer, StoreError, Writer};

impl Write {
    pub(super) async fn claim(&mut self, writer: &Writer, claim: &Claim) -> Result<ClaimAnswer> {
        let run = self.fenced(writer).await?;
        if claim.run != writer.run {
            return Err(
                StoreError::Conflict(format!("run {} claims for run {}", writer.run, claim.run)).into()
            );
        }
        if run.standing.ended_at().is_some() {
            return Err(StoreError::Conflict(format!("run {} has ended", writer.run)).into());
        }
        let (fence, holder) = self.lock_of(&claim.environment).await?;
        if holder.as_ref() == Some(&(claim.run.clone(), claim.stage.clone())) {
            return Ok(ClaimAnswer::Held(fence));
        }
        if let Some(newer) = self.newer_holder(claim).await? {
            return Ok(ClaimAnswer::Outdated(newer));
        }
        if let Some((run, _)) = holder {
            return Ok(ClaimAnswer::Busy(run));
        }
        self.take(claim, fence + 1).await?;
        Ok(ClaimAnswer::Held(fence + 1))
    }

    /// The fence of the newest holder, and who holds it now.
    async fn lock_of(&mut self, environment: &EnvironmentName) -> Result<(u64, Option<(RunId, StageName)>)> {
        let found: Option<(u64, Option<String>, Option<String>)> =
            sqlx::query_as("SELECT fence, run, stage FROM environment WHERE tenant = ?1 AND name = ?2")
                .bind(self.tenant.as_str())
                .bind(environment.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        match found {
            Some((fence, Some(run), Some(stage))) => {
                Ok((fence, Some((name("the holder of a lock", run)?, name("the holder of a lock", stage)?))))
            }
            Some((fence, _, _)) => Ok((fence, None)),
            None => Ok((0, None)),
        }
    }

    /// A later run of the claim's group that held it.
    async fn newer_holder(&mut self, claim: &Claim) -> Result<Option<RunId>> {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT run FROM environment_order
             WHERE tenant = ?1 AND environment = ?2 AND run_group = ?3 AND place > ?4",
        )
        .bind(self.tenant.as_str())
        .bind(claim.environment.as_str())
        .bind(claim.group.as_str())
        .bind(int(claim.order))
        .fetch_optional(&mut *self.sql)
        .await?;
        found.map(|run| name("the holder of a lock", run)).transpose()
    }

    async fn take(&mut self, claim: &Claim, fence: u64) -> Result<()> {
        sqlx::query(
            "INSERT INTO environment (tenant, name, fence, run, stage) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, name) DO UPDATE SET fence = ?3, run = ?4, stage = ?5",
        )
        .bind(self.tenant.as_str())
        .bind(claim.environment.as_str())
        .bind(int(fence))
        .bind(claim.run.as_str())
        .bind(claim.stage.as_str())
        .execute(&mut *self.sql)
        .await?;
        sqlx::query(
            "INSERT INTO environment_order (tenant, environment, run_group, place, run)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, environment, run_group) DO UPDATE SET place = ?4, run = ?5",
        )
        .bind(self.tenant.as_str())
        .bind(claim.environment.as_str())
        .bind(claim.group.as_str())
        .bind(int(claim.order))
        .bind(claim.run.as_str())
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// Frees the lock if that stage holds it.
    pub(super) async fn give_back(
        &mut self,
        environment: &EnvironmentName,
        run: &RunId,
        stage: &StageName,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE environment SET run = NULL, stage = NULL
             WHERE tenant = ?1 AND name = ?2 AND run = ?3 AND stage = ?4",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .bind(run.as_str())
        .bind(stage.as_str())
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    /// Frees every lock that the run holds.
    pub(super) async fn drop_claims(&mut self, run: &RunId) -> Result<()> {
        sqlx::query("UPDATE environment SET run = NULL, stage = NULL WHERE tenant = ?1 AND run = ?2")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    pub(super) async fn is_held_by(&mut self, environment: &EnvironmentName, run: &RunId) -> Result<bool> {
        Ok(self.lock_of(environment).await?.1.is_some_and(|(holder, _)| holder == *run))
    }
}
