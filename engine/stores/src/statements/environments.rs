use super::{Result, Write, locking, sql};
use crate::shared::{Lock, LockRow, int, name};
use stageway_core::digest::Digest;
use stageway_core::name::{EnvironmentName, RunId, StageName};
use stageway_ports::{Claim, ClaimAnswer, Writer};

impl Write {
    pub(crate) async fn claim(&mut self, writer: &Writer, claim: &Claim) -> Result<ClaimAnswer> {
        let run = self.fenced(writer).await?;
        run.check_claim(writer, claim)?;
        let lock = self.lock_for_claim(&claim.environment).await?;
        let newer = self.newer_holder(claim).await?;
        if let Some(answer) = lock.answer(claim, newer) {
            return Ok(answer);
        }
        if let Some(freeze) = self.freeze_of(&claim.environment).await? {
            return Ok(ClaimAnswer::Frozen(freeze));
        }
        self.take(claim, lock.fence + 1).await?;
        Ok(ClaimAnswer::Held(lock.fence + 1))
    }

    /// The lock, which nobody else takes before the end of the transaction.
    async fn lock_for_claim(&mut self, environment: &EnvironmentName) -> Result<Lock> {
        if let Some(found) = self.locked_row(environment).await? {
            return Ok(Lock::of(Some(found))?);
        }
        // Of two who make the row, the second waits here for the first.
        sql::query(
            "INSERT INTO environment (tenant, name, fence) VALUES ($1, $2, 0) ON CONFLICT (tenant, name) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .execute(&mut *self.sql)
        .await?;
        Ok(Lock::of(self.locked_row(environment).await?)?)
    }

    async fn locked_row(&mut self, environment: &EnvironmentName) -> Result<Option<LockRow>> {
        let found = sql::query_as(locking!(
            "SELECT fence, run, stage FROM environment WHERE tenant = $1 AND name = $2"
        ))
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        Ok(found)
    }

    /// A later run of the claim's group that held it.
    async fn newer_holder(&mut self, claim: &Claim) -> Result<Option<RunId>> {
        let found: Option<String> = sql::query_scalar(
            "SELECT run FROM environment_order
             WHERE tenant = $1 AND environment = $2 AND run_group = $3 AND place > $4",
        )
        .bind(self.tenant.as_str())
        .bind(claim.environment.as_str())
        .bind(group_key(claim))
        .bind(int(claim.order))
        .fetch_optional(&mut *self.sql)
        .await?;
        Ok(found.map(|run| name("the holder of a lock", run)).transpose()?)
    }

    async fn take(&mut self, claim: &Claim, fence: u64) -> Result<()> {
        sql::query("UPDATE environment SET fence = $3, run = $4, stage = $5 WHERE tenant = $1 AND name = $2")
            .bind(self.tenant.as_str())
            .bind(claim.environment.as_str())
            .bind(int(fence))
            .bind(claim.run.as_str())
            .bind(claim.stage.as_str())
            .execute(&mut *self.sql)
            .await?;
        sql::query(
            "INSERT INTO environment_order (tenant, environment, run_group, place, run)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, environment, run_group) DO UPDATE SET place = $4, run = $5",
        )
        .bind(self.tenant.as_str())
        .bind(claim.environment.as_str())
        .bind(group_key(claim))
        .bind(int(claim.order))
        .bind(claim.run.as_str())
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// Frees the lock if that stage holds it.
    pub(crate) async fn give_back(
        &mut self,
        environment: &EnvironmentName,
        run: &RunId,
        stage: &StageName,
    ) -> Result<()> {
        sql::query(
            "UPDATE environment SET run = NULL, stage = NULL
             WHERE tenant = $1 AND name = $2 AND run = $3 AND stage = $4",
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
    pub(crate) async fn drop_claims(&mut self, run: &RunId) -> Result<()> {
        sql::query("UPDATE environment SET run = NULL, stage = NULL WHERE tenant = $1 AND run = $2")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    /// Whoever holds the run's row keeps what is true here: only the run itself gives its locks back.
    pub(crate) async fn is_held_by(&mut self, environment: &EnvironmentName, run: &RunId) -> Result<bool> {
        let found: Option<LockRow> =
            sql::query_as("SELECT fence, run, stage FROM environment WHERE tenant = $1 AND name = $2")
                .bind(self.tenant.as_str())
                .bind(environment.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        Ok(Lock::of(found)?.is_held_by(run))
    }
}

fn group_key(claim: &Claim) -> String {
    Digest::of(claim.group.as_bytes()).to_string()
}
