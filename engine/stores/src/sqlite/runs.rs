use super::Result;
use super::codec::{from_json, from_word, int, json, name, word};
use super::transaction::{Read, Write, limit};
use stageway_core::name::RunId;
use stageway_core::run::{RunEvent, Standing};
use stageway_ports::{NewRun, RunFilter, RunRecord, RunSummary, StoreError};

impl Write {
    pub(super) async fn create_run(&mut self, new: &NewRun) -> Result<u64> {
        if let Some(number) = self.same_run(new).await? {
            return Ok(number);
        }
        let number = self.next_number().await?;
        let standing: Standing = new.events.iter().collect();
        sqlx::query(
            "INSERT INTO run (tenant, id, number, pipeline, created_at, version, standing, status, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .bind(int(number))
        .bind(new.pipeline.as_str())
        .bind(int(new.at))
        .bind(int(new.events.len() as u64))
        .bind(json(&standing)?)
        .bind(word(&standing.status())?)
        .bind(standing.ended_at().map(int))
        .execute(&mut *self.sql)
        .await?;
        sqlx::query("INSERT INTO plan (tenant, run, body) VALUES (?1, ?2, ?3)")
            .bind(self.tenant.as_str())
            .bind(new.id.as_str())
            .bind(json(&new.plan)?)
            .execute(&mut *self.sql)
            .await?;
        self.insert_events(&new.id, 0, &new.events).await?;
        self.changed();
        Ok(number)
    }

    /// The number of the run that stands under this id.
    async fn same_run(&mut self, new: &NewRun) -> Result<Option<u64>> {
        let found: Option<(u64, String, String)> = sqlx::query_as(
            "SELECT number, pipeline, body FROM run JOIN plan ON plan.tenant = run.tenant AND plan.run = run.id
             WHERE run.tenant = ?1 AND run.id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        let Some((number, pipeline, plan)) = found else { return Ok(None) };
        let plan: serde_json::Value = from_json("the plan of a run", &plan)?;
        if pipeline == new.pipeline.as_str() && plan == new.plan {
            return Ok(Some(number));
        }
        Err(StoreError::Conflict(format!("run {} stands with another plan", new.id)).into())
    }

    async fn next_number(&mut self) -> Result<u64> {
        let number = sqlx::query_scalar(
            "INSERT INTO tenant (id, runs, changes) VALUES (?1, 1, 0)
             ON CONFLICT (id) DO UPDATE SET runs = runs + 1 RETURNING runs",
        )
        .bind(self.tenant.as_str())
        .fetch_one(&mut *self.sql)
        .await?;
        Ok(number)
    }

    /// Writes events after version `from`.
    pub(super) async fn insert_events(&mut self, run: &RunId, from: u64, events: &[RunEvent]) -> Result<()> {
        for (version, event) in (from + 1..).zip(events) {
            sqlx::query("INSERT INTO event (tenant, run, version, body) VALUES (?1, ?2, ?3, ?4)")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .bind(int(version))
                .bind(json(event)?)
                .execute(&mut *self.sql)
                .await?;
        }
        Ok(())
    }
}

impl Read {
    pub(super) async fn run(&mut self, id: &RunId) -> Result<Option<RunRecord>> {
        let found: Option<(u64, String, u64, u64, String)> = sqlx::query_as(
            "SELECT number, pipeline, version, fence, body
             FROM run JOIN plan ON plan.tenant = run.tenant AND plan.run = run.id
             WHERE run.tenant = ?1 AND run.id = ?2",
        )
        .bind(self.tenant.as_str())
        .bind(id.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        let Some((number, pipeline, version, fence, plan)) = found else { return Ok(None) };
        Ok(Some(RunRecord {
            id: id.clone(),
            number,
            pipeline: name("the pipeline of a run", pipeline)?,
            plan: from_json("the plan of a run", &plan)?,
            events: self.events(id).await?,
            version,
            fence,
        }))
    }

    async fn events(&mut self, run: &RunId) -> Result<Vec<RunEvent>> {
        let bodies: Vec<String> =
            sqlx::query_scalar("SELECT body FROM event WHERE tenant = ?1 AND run = ?2 ORDER BY version")
                .bind(self.tenant.as_str())
                .bind(run.as_str())
                .fetch_all(&mut *self.sql)
                .await?;
        bodies.iter().map(|body| from_json("an event of a run", body)).collect()
    }

    pub(super) async fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        let found: Vec<(String, u64, String, String, u64, Option<u64>)> = sqlx::query_as(list(filter))
            .bind(self.tenant.as_str())
            .bind(filter.before.map_or(i64::MAX, int))
            .bind(limit(filter.max))
            .bind(filter.pipeline.as_ref().map(|pipeline| pipeline.as_str()))
            .fetch_all(&mut *self.sql)
            .await?;
        let summary = |(id, number, pipeline, status, created_at, ended_at)| {
            Ok(RunSummary {
                id: name("the id of a run", id)?,
                number,
                pipeline: name("the pipeline of a run", pipeline)?,
                status: from_word("the status of a run", status)?,
                created_at,
                ended_at,
            })
        };
        found.into_iter().map(summary).collect()
    }
}

/// One statement for each set of filters, so that each has its index. ?4 is bound in all of them.
fn list(filter: &RunFilter) -> &'static str {
    macro_rules! list {
        ($more:literal) => {
            concat!(
                "SELECT id, number, pipeline, status, created_at, ended_at FROM run WHERE tenant = ?1 ",
                $more,
                " AND number < ?2 ORDER BY number DESC LIMIT ?3"
            )
        };
    }
    match (&filter.pipeline, filter.unfinished) {
        (None, false) => list!("AND ?4 IS NULL"),
        (None, true) => list!("AND ?4 IS NULL AND ended_at IS NULL"),
        (Some(_), false) => list!("AND pipeline = ?4"),
        (Some(_), true) => list!("AND pipeline = ?4 AND ended_at IS NULL"),
    }
}
