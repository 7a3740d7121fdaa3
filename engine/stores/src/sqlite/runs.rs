use super::transaction::Write;
use super::{Result, sql};
use crate::shared::{int, json};
use stageway_core::name::RunId;
use stageway_core::run::RunEvent;

impl Write {
    /// The next number of the tenant's runs.
    pub(super) async fn next_number(&mut self) -> Result<i64> {
        let number = sql::query_scalar(
            "INSERT INTO tenant (id, runs, changes) VALUES (?1, 1, 0)
             ON CONFLICT (id) DO UPDATE SET runs = runs + 1 RETURNING runs",
        )
        .bind(self.tenant.as_str())
        .fetch_one(&mut self.sql)
        .await?;
        Ok(number)
    }

    /// Writes events after version `from`.
    pub(super) async fn insert_events(&mut self, run: &RunId, from: u64, events: &[RunEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let bodies = events.iter().map(json).collect::<std::result::Result<Vec<_>, _>>()?;
        sql::query(
            "INSERT INTO event (tenant, run, version, body)
             SELECT ?1, ?2, ?3 + 1 + key, value FROM json_each(?4)",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(int(from))
        .bind(json(&bodies)?)
        .execute(&mut self.sql)
        .await?;
        Ok(())
    }
}
