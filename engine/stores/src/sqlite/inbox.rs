//! What of the inbox is over all tenants.

use super::statements::inbox::{StatusRow, free, open, pending, pending_rows, unfollowed};
use super::transaction::Write;
use super::{Result, SqliteStore, sql};
use crate::shared::{int, limit};
use stageway_core::name::{RepositoryId, RunId, TenantId};
use stageway_ports::{Claimed, Most, PendingStatus, RunOrigin};

/// Deliveries of some that can be given out, oldest first. No tenant has the empty name.
macro_rules! among {
    ($of:literal) => {
        concat!(
            "SELECT d.tenant, d.number, d.repository FROM delivery AS d WHERE d.number IN (",
            $of,
            ") AND ",
            free!(),
            " AND d.tenant <> $3 ORDER BY d.number LIMIT $2"
        )
    };
}
/// Of the oldest: where nobody has left many, they are all.
const OLDEST: &str = among!("SELECT number FROM delivery WHERE settled_at IS NULL ORDER BY number LIMIT 64");
/// Of the oldest of each lane, which are found one lane after the other: however many a lane has, those behind the first are
/// not looked at while it is being taken in.
pub(super) const OF_LANES: &str = among!(
    "WITH RECURSIVE lane (number) AS (
       SELECT (SELECT number FROM delivery WHERE settled_at IS NULL ORDER BY tenant, repository, number LIMIT 1)
       UNION ALL
       SELECT coalesce(
         (SELECT e.number FROM delivery AS e WHERE e.settled_at IS NULL AND e.tenant = f.tenant
            AND e.repository > coalesce(f.repository, '') ORDER BY e.repository, e.number LIMIT 1),
         (SELECT e.number FROM delivery AS e WHERE e.settled_at IS NULL AND e.tenant > f.tenant
            ORDER BY e.tenant, e.repository, e.number LIMIT 1))
       FROM lane JOIN delivery AS f ON f.number = lane.number
     )
     SELECT g.number FROM lane JOIN delivery AS f ON f.number = lane.number
       JOIN delivery AS g ON g.number IN (
         SELECT e.number FROM delivery AS e WHERE e.settled_at IS NULL AND e.tenant = f.tenant
           AND e.repository IS f.repository
           AND (e.repository IS NOT NULL OR (e.due <= $1 AND e.claimed_until <= $1))
         ORDER BY e.number LIMIT $2)"
);
const PENDING: &str = pending_rows!("ORDER BY s.number LIMIT $2");

impl SqliteStore {
    pub(super) async fn claim_open(
        &self,
        now: u64,
        until: u64,
        most: Most,
        except: Option<&TenantId>,
    ) -> Result<Vec<Claimed>> {
        // Mostly there is nothing, and nobody's turn is taken for that.
        let mut reader = self.inner.readers.acquire().await?;
        let open = open(&mut reader, [OLDEST, OF_LANES], (now, Most::of(1), except)).await?;
        drop(reader);
        let Some((tenant, _)) = open.into_iter().next() else { return Ok(Vec::new()) };
        let mut write = self.write(&tenant).await?;
        let claimed = write.claim_open((now, most, except), until).await;
        self.finish(write, claimed).await
    }

    /// One server works on the file: whoever claimed something is gone.
    pub(super) async fn end_claims(&self) -> Result<()> {
        let mut turn = self.inner.turns.begin().await?;
        let ended = sql::query("UPDATE delivery SET claimed_until = 0 WHERE settled_at IS NULL");
        let ended = ended.execute(&mut turn).await.map(drop);
        self.inner.turns.end(turn, ended, None).await
    }

    /// One server works on the file: nobody claims what it tells.
    pub(super) async fn pending_statuses(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>> {
        let mut sql = self.inner.readers.acquire().await?;
        let rows: Vec<StatusRow> =
            sql::query_as(PENDING).bind(int(now)).bind(limit(max)).fetch_all(&mut sql).await?;
        rows.into_iter().map(pending).collect()
    }

    pub(super) async fn unfollowed_runs(&self, max: u32) -> Result<Vec<(TenantId, RunOrigin)>> {
        let mut sql = self.inner.readers.acquire().await?;
        unfollowed(&mut sql, max).await
    }
}

impl Write {
    async fn claim_open(
        &mut self,
        wanted: (u64, Most, Option<&TenantId>),
        until: u64,
    ) -> Result<Vec<Claimed>> {
        let mut claimed = Vec::new();
        for (tenant, number) in open(&mut self.sql, [OLDEST, OF_LANES], wanted).await? {
            self.tenant = tenant;
            let fence = self.claim_delivery(number, until).await?;
            claimed.push(self.claimed(number, fence).await?);
        }
        Ok(claimed)
    }

    /// Answers the fence of the claim.
    async fn claim_delivery(&mut self, number: i64, until: u64) -> Result<i64> {
        let fence = sql::query_scalar(
            "UPDATE delivery SET fence = fence + 1, attempts = attempts + 1, claimed_until = $2
             WHERE number = $1 RETURNING fence",
        )
        .bind(number)
        .bind(int(until))
        .fetch_one(&mut self.sql)
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
