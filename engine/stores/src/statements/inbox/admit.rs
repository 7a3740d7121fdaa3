use super::super::queue::Group;
use super::{Connection, Read, Result, Write, keyed, sql};
use crate::shared::{count, from_json, from_word, int, json, limit, name};
use stageway_core::name::{ReceiptId, RunId, TenantId};
use stageway_ports::{Admission, Admitted, RunOrigin, StoreError};

/// The run that stands under a key.
pub(crate) const ADMITTED: &str = concat!(
    "SELECT run.id, run.number FROM origin JOIN run ON run.tenant = origin.tenant AND run.id = origin.run
     WHERE origin.tenant = $1 AND ",
    keyed!("$2"),
);

impl Write {
    /// Of two with the same key the second waits for the lane of the repository, and finds the run of the first.
    pub(crate) async fn admit(&mut self, admission: &Admission) -> Result<Admitted> {
        self.hold_lane(Some(&admission.key.repository)).await?;
        if let Some(standing) = self.admitted(admission).await? {
            return Ok(standing);
        }
        let run = &admission.run.id;
        let other_key = || StoreError::Conflict(format!("run {run} stands under another key"));
        let group = Group::of(&admission.key, admission.concurrency.as_ref())?;
        if let Some(lane) = &group.lane {
            self.hold_group(lane).await?;
        }
        let number = self.create_run(&admission.run).await?;
        if !self.insert_origin(admission).await? {
            return Err(other_key().into());
        }
        self.enter(run, int(number), &group, admission.run.at).await?;
        self.insert_of_run(admission).await?;
        self.changed();
        Ok(Admitted { run: run.clone(), number, new: true })
    }

    async fn admitted(&mut self, admission: &Admission) -> Result<Option<Admitted>> {
        let found: Option<(String, i64)> = sql::query_as(ADMITTED)
            .bind(self.tenant.as_str())
            .bind(admission.key.text())
            .fetch_optional(&mut *self.sql)
            .await?;
        let Some((run, number)) = found else { return Ok(None) };
        let (run, number) = (name("the id of a run", run)?, count("the number of a run", number)?);
        Ok(Some(Admitted { run, number, new: false }))
    }

    /// Answers whether it was written: false when the run has one.
    async fn insert_origin(&mut self, admission: &Admission) -> Result<bool> {
        let done = sql::query(
            "INSERT INTO origin (tenant, run, key, revision, delivery, concurrency, after, listened)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, run) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(admission.run.id.as_str())
        .bind(admission.key.text())
        .bind(admission.revision.as_str())
        .bind(admission.delivery.as_ref().map(ReceiptId::as_str))
        .bind(admission.concurrency.as_ref().map(json).transpose()?)
        .bind(admission.after.as_ref().map(RunId::as_str))
        .bind(i64::from(admission.listened))
        .execute(&mut *self.sql)
        .await?;
        Ok(done.rows_affected() > 0)
    }
}

pub(crate) type Row = (String, i64, String, String, Option<String>, Option<String>, Option<String>, String);

/// Runs that were admitted, as a [`Row`] has them, with more columns, and which of them.
macro_rules! admitted {
    ($more:literal, $which:literal) => {
        concat!(
            "SELECT run.id, run.number, origin.key, origin.revision, origin.delivery, origin.concurrency,
               origin.after, run.status",
            $more,
            " FROM run JOIN origin ON origin.tenant = run.tenant AND origin.run = run.id WHERE ",
            $which
        )
    };
}
pub(crate) use admitted;

/// Of all tenants.
pub(crate) async fn unfollowed(sql: &mut Connection, max: u32) -> Result<Vec<(TenantId, RunOrigin)>> {
    type OfTenant =
        (String, i64, String, String, Option<String>, Option<String>, Option<String>, String, String);
    const UNFOLLOWED: &str = admitted!(
        ", origin.tenant",
        "origin.listened = 1 AND run.ended_at IS NOT NULL ORDER BY run.created_at, run.number LIMIT $1"
    );
    let rows: Vec<OfTenant> = sql::query_as(UNFOLLOWED).bind(limit(max)).fetch_all(sql).await?;
    let read = |(run, number, key, revision, delivery, concurrency, after, status, tenant): OfTenant| {
        let origin = origin((run, number, key, revision, delivery, concurrency, after, status))?;
        Ok((name("a tenant", tenant)?, origin))
    };
    rows.into_iter().map(read).collect()
}

impl Write {
    pub(crate) async fn followed(&mut self, run: &RunId) -> Result<()> {
        sql::query("UPDATE origin SET listened = 0 WHERE tenant = $1 AND run = $2")
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }
}

impl Read {
    pub(crate) async fn origin(&mut self, run: &RunId) -> Result<Option<RunOrigin>> {
        let row: Option<Row> = sql::query_as(admitted!("", "run.tenant = $1 AND run.id = $2"))
            .bind(self.tenant.as_str())
            .bind(run.as_str())
            .fetch_optional(&mut *self.sql)
            .await?;
        row.map(origin).transpose()
    }
}

pub(crate) fn origin(
    (run, number, key, revision, delivery, concurrency, after, status): Row,
) -> Result<RunOrigin> {
    Ok(RunOrigin {
        run: name("the id of a run", run)?,
        number: count("the number of a run", number)?,
        key: from_json("the key of a run", &key)?,
        revision: name("the revision of a run", revision)?,
        delivery: delivery.map(|text| name("the id of a delivery", text)).transpose()?,
        concurrency: concurrency.map(|text| from_json("the concurrency of a run", &text)).transpose()?,
        after: after.map(|text| name("the id of a run", text)).transpose()?,
        status: from_word("the status of a run", status)?,
    })
}
