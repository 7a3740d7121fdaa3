//! What of the inbox is over all tenants, and how engines share it.
//!
//! A repository has a row in `lane`. Deliveries are given out by whoever locks it: an engine passes over a lane that another
//! holds, and decides once more, under the lock, on what the other made durable. What is given out carries the mark of the
//! store that it was given to.

use super::retry::patiently;
use super::statements::inbox::{StatusRow, free, open, pending, pending_rows, unfollowed};
use super::transaction::{Sql, Write};
use super::{PostgresStore, Result};
use crate::shared::{int, limit, name};
use stageway_core::name::{RepositoryId, RunId, TenantId};
use stageway_ports::{Claimed, Most, PendingStatus, RunOrigin};

/// The first of a lane, in their order. The bounds say no more than that it is this repository; written like that, no plan reads
/// them from an index of all lanes.
macro_rules! first {
    ($lane:literal) => {
        concat!(
            "(SELECT e.* FROM delivery AS e WHERE e.settled_at IS NULL AND e.tenant = ",
            $lane,
            ".tenant AND e.repository BETWEEN ",
            $lane,
            ".repository AND ",
            $lane,
            ".repository ORDER BY e.tenant, e.repository, e.number LIMIT $2) AS f"
        )
    };
}
/// Deliveries of the oldest that look free, oldest first, their lanes locked: where nobody has left many, they are all. What is
/// not of a repository lies in a lane without a name. No tenant has the empty name.
pub(super) const OLDEST: &str = concat!(
    "SELECT d.tenant, d.number, d.repository
     FROM (SELECT number FROM delivery WHERE settled_at IS NULL ORDER BY number LIMIT 64) AS o
     JOIN delivery AS d ON d.number = o.number
     JOIN lane AS l ON l.tenant = d.tenant AND l.repository = coalesce(d.repository, '') WHERE ",
    free!(),
    " AND d.tenant <> $3 ORDER BY d.number LIMIT $2 FOR UPDATE OF l SKIP LOCKED"
);
/// Of the oldest of each lane: however many one has, those behind the first are not looked at while it is being taken in.
pub(super) const OF_LANES: &str = concat!(
    "SELECT d.tenant, d.number, d.repository FROM lane AS l CROSS JOIN LATERAL (
       SELECT f.tenant, f.number, f.repository,
         bool_and(f.due <= $1 AND f.claimed_until <= $1) OVER (ORDER BY f.number) AS free FROM ",
    first!("l"),
    " UNION ALL
       (SELECT e.tenant, e.number, e.repository, TRUE FROM delivery AS e WHERE l.repository = '' AND e.settled_at IS NULL
          AND e.tenant = l.tenant AND e.repository IS NULL AND e.due <= $1 AND e.claimed_until <= $1
          ORDER BY e.number LIMIT $2)) AS d
     WHERE d.free AND d.tenant <> $3 ORDER BY d.number LIMIT $2 FOR UPDATE OF l SKIP LOCKED"
);
/// Those of them that are free, if all before them in their lane are given out as well: whoever held the lane may have let it go
/// between the first of its deliveries, which was passed over, and the next.
pub(super) const CLAIM: &str = concat!(
    "UPDATE delivery AS d SET fence = d.fence + 1, attempts = d.attempts + 1, claimed_until = $3, claimed_by = $4
     WHERE d.number = ANY($5::bigint[]) AND d.settled_at IS NULL AND d.due <= $1 AND d.claimed_until <= $1
     AND (d.repository IS NULL OR (
       SELECT bool_and(f.due <= $1 AND f.claimed_until <= $1 AND f.number = ANY($5::bigint[])) FROM ",
    first!("d"),
    " WHERE f.number <= d.number))
     RETURNING d.tenant, d.number, d.fence"
);
/// What somebody else tells the forge of the same commit and context comes first: the last word is the newest.
pub(super) const PENDING: &str = pending_rows!(
    "AND s.claimed_until <= $1 AND NOT EXISTS (
       SELECT 1 FROM status AS e WHERE e.claimed_until > 0 AND e.claimed_until > $1 AND e.tenant = s.tenant
       AND e.repository = s.repository AND e.revision = s.revision AND e.context = s.context)
     ORDER BY s.number LIMIT $2 FOR UPDATE OF s SKIP LOCKED"
);
/// How long nobody else tells what was given out, if we live: longer than a forge takes for as much as is given out at once.
const TELLING_MS: u64 = 600_000;

impl PostgresStore {
    pub(super) async fn claim_open(
        &self,
        now: u64,
        until: u64,
        most: Most,
        except: Option<&TenantId>,
    ) -> Result<Vec<Claimed>> {
        patiently!(self.claim_once(now, until, most, except))
    }

    async fn claim_once(
        &self,
        now: u64,
        until: u64,
        most: Most,
        except: Option<&TenantId>,
    ) -> Result<Vec<Claimed>> {
        let mut sql = Sql::begin(&self.inner.pool).await?;
        let open = open(&mut sql, [OLDEST, OF_LANES], (now, most, except)).await?;
        let open: Vec<i64> = open.into_iter().map(|(_, number)| number).collect();
        let mut free: Vec<(String, i64, i64)> = sqlx::query_as(CLAIM)
            .bind(int(now))
            .bind(limit(most.all()))
            .bind(int(until))
            .bind(&*self.inner.mark)
            .bind(open)
            .fetch_all(&mut *sql)
            .await?;
        free.sort_unstable_by_key(|(_, number, _)| *number);
        let mut claimed = Vec::with_capacity(free.len());
        for (tenant, number, fence) in free {
            let tenant: TenantId = name("a tenant", tenant)?;
            let mut write = Write::within(sql, &tenant);
            claimed.push(write.claimed(number, fence).await?);
            sql = write.sql;
        }
        sql.commit().await?;
        Ok(claimed)
    }

    /// Those of this store: another engine works on its own.
    pub(super) async fn end_claims(&self) -> Result<()> {
        patiently!(async {
            let mut sql = Sql::begin(&self.inner.pool).await?;
            for statement in [
                "UPDATE delivery SET claimed_until = 0
                 WHERE settled_at IS NULL AND claimed_until > 0 AND claimed_by = $1",
                "UPDATE status SET claimed_until = 0 WHERE claimed_until > 0 AND claimed_by = $1",
            ] {
                sqlx::query(statement).bind(&*self.inner.mark).execute(&mut *sql).await?;
            }
            sql.commit().await
        })
    }

    pub(super) async fn pending_statuses(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>> {
        patiently!(self.pending_once(now, max))
    }

    async fn pending_once(&self, now: u64, max: u32) -> Result<Vec<PendingStatus>> {
        let mut sql = Sql::begin(&self.inner.pool).await?;
        let rows: Vec<StatusRow> =
            sqlx::query_as(PENDING).bind(int(now)).bind(limit(max)).fetch_all(&mut *sql).await?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.0).collect();
        let found: Vec<PendingStatus> = rows.into_iter().map(pending).collect::<Result<_>>()?;
        if !numbers.is_empty() {
            sqlx::query(
                "UPDATE status SET claimed_until = $1, claimed_by = $2 WHERE number = ANY($3::bigint[])",
            )
            .bind(int(now.saturating_add(TELLING_MS)))
            .bind(&*self.inner.mark)
            .bind(numbers)
            .execute(&mut *sql)
            .await?;
        }
        sql.commit().await?;
        Ok(found)
    }

    pub(super) async fn unfollowed_runs(&self, max: u32) -> Result<Vec<(TenantId, RunOrigin)>> {
        patiently!(async {
            let mut sql = Sql::acquire(&self.inner.pool).await?;
            let found = unfollowed(&mut sql, max).await?;
            sql.sound();
            Ok(found)
        })
    }
}

impl Write {
    /// Until the end of the transaction nobody else changes what is open in a repository, its heads or its statuses, nor
    /// gives out any of it.
    pub(super) async fn hold_lane(&mut self, repository: Option<&RepositoryId>) -> Result<()> {
        let lane = repository.map_or("", RepositoryId::as_str);
        if self.locked_lane(lane).await? {
            return Ok(());
        }
        // Of two who make the row, the second waits here for the first.
        sqlx::query(
            "INSERT INTO lane (tenant, repository) VALUES ($1, $2) ON CONFLICT (tenant, repository) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(lane)
        .execute(&mut *self.sql)
        .await?;
        self.locked_lane(lane).await?;
        Ok(())
    }

    /// Until the end of the transaction nobody else admits or ends a run of a concurrency group. It is locked before any row
    /// of a run.
    pub(super) async fn hold_group(&mut self, group: &str) -> Result<()> {
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind(format!("{} {group}", self.tenant))
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    /// Before a run ends: its group stays as it is until that is durable.
    pub(super) async fn hold_group_of(&mut self, run: &RunId) -> Result<()> {
        let lane: Option<Option<String>> =
            sqlx::query_scalar("SELECT lane FROM run WHERE tenant = $1 AND id = $2")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        match lane.flatten() {
            Some(lane) => self.hold_group(&lane).await,
            None => Ok(()),
        }
    }

    async fn locked_lane(&mut self, lane: &str) -> Result<bool> {
        let found: Option<i32> =
            sqlx::query_scalar("SELECT 1 FROM lane WHERE tenant = $1 AND repository = $2 FOR UPDATE")
                .bind(self.tenant.as_str())
                .bind(lane)
                .fetch_optional(&mut *self.sql)
                .await?;
        Ok(found.is_some())
    }
}
