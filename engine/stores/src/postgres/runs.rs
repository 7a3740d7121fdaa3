use super::Result;
use super::transaction::Write;
use crate::shared::{int, json};
use stageway_core::name::RunId;
use stageway_core::run::RunEvent;

impl Write {
    /// The next number of the tenant's runs. Whoever makes another waits for the end of the transaction.
    pub(super) async fn next_number(&mut self) -> Result<i64> {
        let number = sqlx::query_scalar(
            "INSERT INTO tenant (id, runs) VALUES ($1, 1)
             ON CONFLICT (id) DO UPDATE SET runs = tenant.runs + 1 RETURNING runs",
        )
        .bind(self.tenant.as_str())
        .fetch_one(&mut *self.sql)
        .await?;
        Ok(number)
    }

    /// Writes events after version `from`.
    pub(super) async fn insert_events(&mut self, run: &RunId, from: u64, events: &[RunEvent]) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut bodies = Vec::with_capacity(events.len());
        for event in events {
            bodies.push(json(event)?);
        }
        sqlx::query(
            "INSERT INTO event (tenant, run, version, body)
             SELECT $1, $2, $3 + given.place, given.body FROM unnest($4::text[]) WITH ORDINALITY AS given (body, place)",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(int(from))
        .bind(&bodies)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }
}
