//! The port [`Queue`](stageway_ports::Queue).
//!
//! Where a run stands is written down when something happens to it, so that nobody has to look through the runs to find the
//! next one. `run.turn` is nothing for a run that was not admitted or has ended, and else
//!
//! | 0 | 1 | 2 | 3 | 4 |
//! | -- | -- | -- | -- | -- |
//! | behind another of its group | next | has a place | was asked to end before it had a place | gave its place back, and only waits |
//!
//! `run.lane` is the digest of its concurrency group; `run.yields` says whether it gives way to a newer run of it: 0 never, 1
//! before it has a place, 2 always. Whoever admits a run of a group or ends one holds the group until the end of its
//! transaction (`hold_group`), so that of two who do so at once the second sees what the first has done.

use super::inbox::admit::{Row, admitted, origin};
use super::{Answer, Connection, Handle, Read, Result, Write, locking, reading, sql, writing};
use crate::shared::{LeaseWish, Unreadable, count, from_json, int, json, limit, name, refusal};
use async_trait::async_trait;
use stageway_core::digest::Digest;
use stageway_core::name::{RunId, TenantId};
use stageway_core::plan::{Concurrency, WhenNewer};
use stageway_ports::{Lease, PlaceWish, Queue, Queued, RunKey, RunOrigin, Turn, Turns};

/// Runs that are entered in one transaction of [`Write::mend`].
const ENTERED: u32 = 500;

#[async_trait]
impl Queue for Handle {
    async fn next(&self, tenant: &TenantId, max: u32) -> Answer<Queued> {
        reading!(self, tenant, next(max))
    }

    async fn left(&self, tenant: &TenantId, wish: PlaceWish<'_>, max: u32) -> Answer<Vec<RunOrigin>> {
        reading!(self, tenant, left(wish, max))
    }

    async fn take_place(&self, tenant: &TenantId, run: &RunId, wish: PlaceWish<'_>) -> Answer<Option<Lease>> {
        writing!(self, tenant, take_place(run, wish))
    }

    async fn turns(&self, tenant: &TenantId, newest: u64, max: u32) -> Answer<Turns> {
        reading!(self, tenant, turns(newest, max))
    }

    async fn mend(&self, tenant: &TenantId) -> Answer<bool> {
        writing!(self, tenant, mend())
    }
}

/// Runs of a turn, oldest first, and which of them.
macro_rules! of_turn {
    ($turn:literal, $which:literal) => {
        concat!(admitted!("", "run.tenant = $1 AND run.ended_at IS NULL AND run.turn = "), $turn, $which)
    };
}
/// Those that may have a place.
macro_rules! next {
    ($turn:literal) => {
        of_turn!($turn, " ORDER BY run.number LIMIT $2")
    };
}
/// Those that nothing is missing for.
pub(crate) const NEXT: &str = next!("1");
/// Those that were asked to end.
pub(crate) const ENDING: &str = next!("3");

/// Those that were driven, and whose holder is gone.
macro_rules! left {
    ($turn:literal) => {
        of_turn!($turn, " AND run.holder <> $2 AND ($3 OR run.held_until <= $4) ORDER BY run.number LIMIT $5")
    };
}
/// With a place.
pub(crate) const LEFT: &str = left!("2");
/// Without one, because they only wait.
pub(crate) const LEFT_RESTING: &str = left!("4");

/// Places of a tenant that are taken. Their order makes every planner read them from the index of turns; no limit of a
/// configuration is as great as this one.
pub(crate) const TAKEN: &str =
    "SELECT count(*) FROM (SELECT run.number FROM run WHERE run.tenant = $1 AND run.ended_at IS NULL AND run.turn = 2
     ORDER BY run.number LIMIT 1000001) AS taken";

/// Asks the runs of a group that give way to a newer one to end.
pub(crate) const GIVES_WAY: &str =
    "UPDATE run SET cancel = $4, turn = CASE WHEN turn IN (0, 1) THEN 3 ELSE turn END
     WHERE tenant = $1 AND id IN (SELECT e.id FROM run AS e WHERE e.tenant = $1 AND e.lane = $2 AND e.number < $3
       AND e.ended_at IS NULL AND e.cancel IS NULL AND e.yields > 0 AND (e.yields = 2 OR e.turn IN (0, 1))
       ORDER BY e.number LIMIT 1000001)";

/// What puts in order what the version before has left, after its runs were entered: runs that it leased have their places…
pub(crate) const MEND_LEASED: &str =
    "UPDATE run SET turn = 2 WHERE tenant = $1 AND id IN (SELECT e.id FROM run AS e WHERE e.tenant = $1
       AND e.ended_at IS NULL AND e.turn IS NOT NULL AND e.turn NOT IN (2, 4) AND e.holder IS NOT NULL
       ORDER BY e.turn, e.number LIMIT 1000001)";
/// …and groups whose oldest run it ended go on.
pub(crate) const MEND_BEHIND: &str =
    "UPDATE run SET turn = 1 WHERE tenant = $1 AND id IN (SELECT e.id FROM run AS e WHERE e.tenant = $1
       AND e.ended_at IS NULL AND e.turn = 0 AND e.number = (SELECT o.number FROM run AS o WHERE o.tenant = $1
         AND o.lane = e.lane AND o.ended_at IS NULL ORDER BY o.number LIMIT 1)
       ORDER BY e.number LIMIT 1000001)";

/// The oldest run of a group, and where it stands.
pub(crate) const OLDEST: &str = "SELECT run.id, run.turn FROM run
     WHERE run.tenant = $1 AND run.lane = $2 AND run.ended_at IS NULL ORDER BY run.number LIMIT 1";

/// Those of a turn that have no place, newest first, with the oldest of their group.
macro_rules! turns {
    ($turn:literal) => {
        concat!(
            "SELECT run.number, (SELECT e.number FROM run AS e WHERE e.tenant = run.tenant AND e.lane = run.lane
               AND e.ended_at IS NULL ORDER BY e.number LIMIT 1)
             FROM run WHERE run.tenant = $1 AND run.ended_at IS NULL AND run.turn = ",
            $turn,
            " AND run.number <= $2 ORDER BY run.number DESC LIMIT $3"
        )
    };
}

async fn taken(sql: &mut Connection, tenant: &TenantId) -> Result<u32> {
    let taken: i64 = sql::query_scalar(TAKEN).bind(tenant.as_str()).fetch_one(sql).await?;
    Ok(u32::try_from(taken).unwrap_or(u32::MAX))
}

impl Read {
    pub(crate) async fn next(&mut self, max: u32) -> Result<Queued> {
        let frozen: bool =
            sql::query_scalar("SELECT EXISTS (SELECT 1 FROM frozen WHERE tenant = $1 AND environment = '')")
                .bind(self.tenant.as_str())
                .fetch_one(&mut *self.sql)
                .await?;
        let taken = taken(&mut self.sql, &self.tenant).await?;
        let mut next = self.of_turn(ENDING, max).await?;
        if !frozen {
            next.extend(self.of_turn(NEXT, max).await?);
        }
        next.sort_unstable_by_key(|origin| origin.number);
        next.truncate(max as usize);
        Ok(Queued { frozen, taken, next })
    }

    async fn of_turn(&mut self, statement: &'static str, max: u32) -> Result<Vec<RunOrigin>> {
        let rows: Vec<Row> = sql::query_as(statement)
            .bind(self.tenant.as_str())
            .bind(limit(max))
            .fetch_all(&mut *self.sql)
            .await?;
        rows.into_iter().map(origin).collect()
    }

    pub(crate) async fn left(&mut self, wish: PlaceWish<'_>, max: u32) -> Result<Vec<RunOrigin>> {
        let mut left = self.left_of(LEFT, wish, max).await?;
        if left.len() < max as usize {
            left.extend(self.left_of(LEFT_RESTING, wish, max - left.len() as u32).await?);
        }
        Ok(left)
    }

    async fn left_of(
        &mut self,
        statement: &'static str,
        wish: PlaceWish<'_>,
        max: u32,
    ) -> Result<Vec<RunOrigin>> {
        let rows: Vec<Row> = sql::query_as(statement)
            .bind(self.tenant.as_str())
            .bind(wish.holder)
            .bind(wish.alone)
            .bind(int(wish.now))
            .bind(limit(max))
            .fetch_all(&mut *self.sql)
            .await?;
        rows.into_iter().map(origin).collect()
    }

    pub(crate) async fn turns(&mut self, newest: u64, max: u32) -> Result<Turns> {
        let mut found = Turns { taken: taken(&mut self.sql, &self.tenant).await?, ..Turns::default() };
        for (turn, statement) in [(0, turns!("0")), (1, turns!("1")), (3, turns!("3"))] {
            let rows: Vec<(i64, Option<i64>)> = sql::query_as(statement)
                .bind(self.tenant.as_str())
                .bind(int(newest))
                .bind(limit(max))
                .fetch_all(&mut *self.sql)
                .await?;
            for (number, oldest) in rows {
                let number = count("the number of a run", number)?;
                let turn = match (turn, oldest) {
                    (0, Some(oldest)) => Turn::Behind(count("the number of a run", oldest)?),
                    (3, _) => Turn::Ending,
                    _ => Turn::Next,
                };
                found.runs.insert(number, turn);
            }
        }
        while found.runs.len() > max as usize {
            found.runs.pop_first();
        }
        Ok(found)
    }
}

impl Write {
    /// Those who want a place of the same tenant wait for each other at its row.
    pub(crate) async fn take_place(&mut self, run: &RunId, wish: PlaceWish<'_>) -> Result<Option<Lease>> {
        let _: Option<i64> = sql::query_scalar(locking!("SELECT runs FROM tenant WHERE id = $1"))
            .bind(self.tenant.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        let found: Option<(Option<i64>, Option<i64>)> =
            sql::query_as("SELECT turn, ended_at FROM run WHERE tenant = $1 AND id = $2")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_optional(&mut *self.sql)
                .await?;
        let (turn, ended_at) = found.ok_or_else(|| refusal::no_run(run))?;
        let may = match turn {
            Some(2 | 4) => true,
            Some(1 | 3) => taken(&mut self.sql, &self.tenant).await? < wish.most,
            _ => false,
        };
        if !may || ended_at.is_some() {
            return Ok(None);
        }
        let PlaceWish { holder, now, until, alone, .. } = wish;
        self.lease(LeaseWish { run, holder, now, until, force: alone }).await
    }

    /// A run that was just admitted takes its turn, and the older ones of its group that give way to it are asked to end. Its
    /// group is held.
    pub(crate) async fn enter(&mut self, run: &RunId, number: i64, of: &Group, at: u64) -> Result<()> {
        self.set_turn(run, number, of).await?;
        let Some(lane) = &of.lane else { return Ok(()) };
        sql::query(GIVES_WAY)
            .bind(self.tenant.as_str())
            .bind(lane)
            .bind(number)
            .bind(json(&("stageway", format!("run {run} is newer"), at))?)
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    async fn set_turn(&mut self, run: &RunId, number: i64, of: &Group) -> Result<()> {
        sql::query(
            "UPDATE run SET lane = $3, yields = $4, turn = CASE
               WHEN holder IS NOT NULL THEN 2
               WHEN cancel IS NOT NULL THEN 3
               WHEN (SELECT e.number FROM run AS e WHERE e.tenant = $1 AND e.lane = $3 AND e.ended_at IS NULL
                 ORDER BY e.number LIMIT 1) < $5 THEN 0
               ELSE 1 END
             WHERE tenant = $1 AND id = $2 AND ended_at IS NULL",
        )
        .bind(self.tenant.as_str())
        .bind(run.as_str())
        .bind(of.lane.as_deref())
        .bind(of.yields)
        .bind(number)
        .execute(&mut *self.sql)
        .await?;
        Ok(())
    }

    /// A run of the group has ended: the oldest that is left goes on.
    pub(crate) async fn go_on(&mut self, lane: &str) -> Result<()> {
        let oldest: Option<(String, Option<i64>)> = sql::query_as(OLDEST)
            .bind(self.tenant.as_str())
            .bind(lane)
            .fetch_optional(&mut *self.sql)
            .await?;
        let Some((oldest, Some(0))) = oldest else { return Ok(()) };
        sql::query("UPDATE run SET turn = 1 WHERE tenant = $1 AND id = $2 AND turn = 0")
            .bind(self.tenant.as_str())
            .bind(oldest)
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }

    /// Answers whether there may be more to enter.
    pub(crate) async fn mend(&mut self) -> Result<bool> {
        let rows: Vec<(String, i64, String, Option<String>)> = sql::query_as(
            "SELECT run.id, run.number, origin.key, origin.concurrency
             FROM run JOIN origin ON origin.tenant = run.tenant AND origin.run = run.id
             WHERE run.tenant = $1 AND run.ended_at IS NULL AND run.turn IS NULL ORDER BY run.number LIMIT $2",
        )
        .bind(self.tenant.as_str())
        .bind(limit(ENTERED))
        .fetch_all(&mut *self.sql)
        .await?;
        let more = rows.len() == ENTERED as usize;
        for (run, number, key, concurrency) in rows {
            let run: RunId = name("the id of a run", run)?;
            let key: RunKey = from_json("the key of a run", &key)?;
            let concurrency: Option<Concurrency> =
                concurrency.map(|text| from_json("the concurrency of a run", &text)).transpose()?;
            self.set_turn(&run, number, &Group::of(&key, concurrency.as_ref())?).await?;
        }
        for statement in [MEND_LEASED, MEND_BEHIND] {
            let done = sql::query(statement).bind(self.tenant.as_str()).execute(&mut *self.sql).await?;
            if done.rows_affected() > 0 {
                self.changed();
            }
        }
        Ok(more)
    }
}

/// The concurrency group of a run, as columns have it.
pub(crate) struct Group {
    pub(crate) lane: Option<String>,
    yields: i64,
}

impl Group {
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn of(
        key: &RunKey,
        concurrency: Option<&Concurrency>,
    ) -> std::result::Result<Self, Unreadable> {
        let Some(Concurrency { group, when_newer }) = concurrency else {
            return Ok(Self { lane: None, yields: 0 });
        };
        let lane = json(&(&key.repository, &key.pipeline, group))?;
        let yields = match when_newer {
            WhenNewer::Wait => 0,
            WhenNewer::CancelQueued => 1,
            WhenNewer::CancelRunning => 2,
        };
        Ok(Self { lane: Some(Digest::of(lane.as_bytes()).to_string()), yields })
    }
}
