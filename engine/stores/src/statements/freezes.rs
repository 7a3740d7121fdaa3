use super::{Answer, Handle, Read, Result, Write, from_text, reading, sql, text, writing};
use crate::shared::{int, limit, name};
use async_trait::async_trait;
use stageway_core::name::{EnvironmentName, TenantId};
use stageway_ports::{Freeze, FreezeEvent, Freezes};

/// environment, reason, by, at
type Row = (String, String, String, i64);

#[async_trait]
impl Freezes for Handle {
    async fn freeze(&self, tenant: &TenantId, freeze: Freeze) -> Answer<()> {
        writing!(self, tenant, freeze(&freeze))
    }

    async fn thaw(&self, tenant: &TenantId, thaw: Freeze) -> Answer<bool> {
        writing!(self, tenant, thaw(&thaw))
    }

    async fn frozen(&self, tenant: &TenantId) -> Answer<Vec<Freeze>> {
        reading!(self, tenant, frozen())
    }

    async fn freeze_events(&self, tenant: &TenantId, max: u32) -> Answer<Vec<FreezeEvent>> {
        reading!(self, tenant, freeze_events(max))
    }
}

impl Write {
    pub(crate) async fn freeze(&mut self, freeze: &Freeze) -> Result<()> {
        sql::query(
            "INSERT INTO frozen (tenant, environment, reason, by, at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, environment) DO UPDATE SET reason = $3, by = $4, at = $5",
        )
        .bind(self.tenant.as_str())
        .bind(column(freeze))
        .bind(text(&freeze.reason)?)
        .bind(text(&freeze.by)?)
        .bind(int(freeze.at))
        .execute(&mut *self.sql)
        .await?;
        self.note(freeze, true).await
    }

    pub(crate) async fn thaw(&mut self, thaw: &Freeze) -> Result<bool> {
        let done = sql::query("DELETE FROM frozen WHERE tenant = $1 AND environment = $2")
            .bind(self.tenant.as_str())
            .bind(column(thaw))
            .execute(&mut *self.sql)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.note(thaw, false).await?;
        Ok(true)
    }

    async fn note(&mut self, what: &Freeze, frozen: bool) -> Result<()> {
        sql::query(
            "INSERT INTO freeze_event (tenant, environment, frozen, reason, by, at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(self.tenant.as_str())
        .bind(column(what))
        .bind(frozen)
        .bind(text(&what.reason)?)
        .bind(text(&what.by)?)
        .bind(int(what.at))
        .execute(&mut *self.sql)
        .await?;
        self.changed();
        Ok(())
    }

    /// That the environment is frozen.
    pub(crate) async fn freeze_of(&mut self, environment: &EnvironmentName) -> Result<Option<Freeze>> {
        let found: Option<Row> = sql::query_as(
            "SELECT environment, reason, by, at FROM frozen WHERE tenant = $1 AND environment = $2",
        )
        .bind(self.tenant.as_str())
        .bind(environment.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        found.map(freeze).transpose()
    }
}

impl Read {
    pub(crate) async fn frozen(&mut self) -> Result<Vec<Freeze>> {
        let found: Vec<Row> = sql::query_as(
            "SELECT environment, reason, by, at FROM frozen WHERE tenant = $1 ORDER BY environment",
        )
        .bind(self.tenant.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        found.into_iter().map(freeze).collect()
    }

    pub(crate) async fn freeze_events(&mut self, max: u32) -> Result<Vec<FreezeEvent>> {
        let found: Vec<(bool, String, String, String, i64)> = sql::query_as(
            "SELECT frozen, environment, reason, by, at FROM freeze_event WHERE tenant = $1
             ORDER BY number DESC LIMIT $2",
        )
        .bind(self.tenant.as_str())
        .bind(limit(max))
        .fetch_all(&mut *self.sql)
        .await?;
        let event = |(frozen, environment, reason, by, at)| {
            Ok(FreezeEvent { frozen, what: freeze((environment, reason, by, at))? })
        };
        found.into_iter().map(event).collect()
    }
}

/// The environment, or nothing for the tenant.
fn column(freeze: &Freeze) -> &str {
    freeze.environment.as_ref().map_or("", EnvironmentName::as_str)
}

fn freeze((environment, reason, by, at): Row) -> Result<Freeze> {
    let named = !environment.is_empty();
    let environment = named.then(|| name("a frozen environment", environment)).transpose()?;
    let (reason, by) = (from_text("why something is frozen", reason)?, from_text("who froze something", by)?);
    Ok(Freeze { environment, reason, by, at: at.unsigned_abs() })
}
