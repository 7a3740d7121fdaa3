//! What of the inbox is over all tenants.

use super::statements::inbox::{StatusRow, free, pending, pending_rows, unfollowed};
use super::transaction::{Transaction, Write};
use super::{Result, SqliteStore};
use crate::shared::{int, limit, name};
use stageway_core::name::{RepositoryId, RunId, TenantId};
use stageway_ports::{Claimed, PendingStatus, RunOrigin};

/// No tenant has the empty name.
const OPEN: &str = concat!(
    "SELECT d.tenant, d.number FROM delivery AS d WHERE ",
    free!(),
    " AND d.tenant <> $3 ORDER BY d.number LIMIT $2"
);
const PENDING: &str = pending_rows!("ORDER BY s.number LIMIT $2");

impl SqliteStore {
    pub(super) async fn claim_open(
        &self,
        now: u64,
        until: u64,
        max: u32,
        except: Option<&TenantId>,
    ) -> Result<Vec<Claimed>> {
        let mut sql = Transaction::immediate(&self.inner.writer).await?;
        let open: Vec<(String, i64)> = sqlx::query_as(OPEN)
            .bind(int(now))
            .bind(limit(max))
            .bind(except.map_or("", TenantId::as_str))
            .fetch_all(&mut *sql)
            .await?;
        let mut claimed = Vec::with_capacity(open.len());
        for (tenant, number) in open {
            let tenant: TenantId = name("a tenant", tenant)?;
            let mut write = Write::within(sql, &tenant);
            let fence = write.claim_delivery(number, until).await?;
            claimed.push(write.claimed(number, fence).await?);
            sql = write.sql;
        }
        sql.end("COMMIT").await?;
        Ok(claimed)
    }

    /// One server works on the file: whoever claimed something is gone.
    pub(super) async fn end_claims(&self) -> Result<()> {
        let mut sql = Transaction::immediate(&self.inner.writer).await?;
        sql.run("UPDATE delivery SET claimed_until = 0 WHERE settled_at IS NULL").await?;
        sql.end("COMMIT").await
    }

    /// One server works on the file: nobody claims what it tells.
    pub(super) async fn pending_statuses(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>> {
        let rows: Vec<StatusRow> =
            sqlx::query_as(PENDING).bind(int(now)).bind(limit(max)).fetch_all(&self.inner.readers).await?;
        rows.into_iter().map(pending).collect()
    }

    pub(super) async fn unfollowed_runs(&self, max: u32) -> Result<Vec<(TenantId, RunOrigin)>> {
        let mut sql = self.inner.readers.acquire().await?;
        unfollowed(&mut sql, max).await
    }
}

impl Write {
    /// Answers the fence of the claim.
    async fn claim_delivery(&mut self, number: i64, until: u64) -> Result<i64> {
        let fence = sqlx::query_scalar(
            "UPDATE delivery SET fence = fence + 1, attempts = attempts + 1, claimed_until = $2
             WHERE number = $1 RETURNING fence",
        )
        .bind(number)
        .bind(int(until))
        .fetch_one(&mut *self.sql)
        .await?;
        Ok(fence)
    }

    /// One transaction writes at a time: it holds everything.
    pub(super) async fn hold_lane(&mut self, _: Option<&RepositoryId>) -> Result<()> {
        Ok(())
    }

    /// So it does of groups.
    pub(super) async fn hold_group(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    /// And of the group of a run that ends.
    pub(super) async fn hold_group_of(&mut self, _: &RunId) -> Result<()> {
        Ok(())
    }
}
