use super::leases::cancel_wish;
use super::{Read, Result, Write, sql};
use crate::shared::{SummaryRow, count, from_json, int, json, limit, name, refusal, summary, word};
use stageway_core::name::RunId;
use stageway_core::run::Standing;
use stageway_ports::{NewRun, RunFilter, RunRecord, RunSummary};

impl Write {
    /// Whoever makes a run waits for the others of its tenant at [`Write::next_number`], so that numbers have no gaps and
    /// of two with the same id the second finds the first.
    pub(crate) async fn create_run(&mut self, new: &NewRun) -> Result<u64> {
        let number = self.next_number().await?;
        let standing: Standing = new.events.iter().collect();
        let done = sql::query(
            "INSERT INTO run (tenant, id, number, pipeline, created_at, version, standing, status, ended_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant, id) DO NOTHING",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .bind(number)
        .bind(new.pipeline.as_str())
        .bind(int(new.at))
        .bind(int(new.events.len() as u64))
        .bind(json(&standing)?)
        .bind(word(&standing.status())?)
        .bind(standing.ended_at().map(int))
        .execute(&mut *self.sql)
        .await?;
        if done.rows_affected() == 0 {
            self.give_number_back().await?;
            return self.same_run(new).await?.ok_or_else(|| refusal::no_run(&new.id).into());
        }
        sql::query("INSERT INTO plan (tenant, run, body) VALUES ($1, $2, $3)")
            .bind(self.tenant.as_str())
            .bind(new.id.as_str())
            .bind(json(&new.plan)?)
            .execute(&mut *self.sql)
            .await?;
        self.insert_events(&new.id, 0, &new.events).await?;
        self.changed();
        Ok(count("the number of a run", number)?)
    }

    /// The number of the run that stands under this id.
    async fn same_run(&mut self, new: &NewRun) -> Result<Option<u64>> {
        let found: Option<(i64, String, String)> = sql::query_as(
            "SELECT number, pipeline, body FROM run JOIN plan ON plan.tenant = run.tenant AND plan.run = run.id
             WHERE run.tenant = $1 AND run.id = $2",
        )
        .bind(self.tenant.as_str())
        .bind(new.id.as_str())
        .fetch_optional(&mut *self.sql)
        .await?;
        let Some((number, pipeline, plan)) = found else { return Ok(None) };
        let plan: serde_json::Value = from_json("the plan of a run", &plan)?;
        if pipeline == new.pipeline.as_str() && plan == new.plan {
            return Ok(Some(count("the number of a run", number)?));
        }
        Err(refusal::another_plan(new).into())
    }

    /// The number just taken; nobody else had one since.
    async fn give_number_back(&mut self) -> Result<()> {
        sql::query("UPDATE tenant SET runs = runs - 1 WHERE id = $1")
            .bind(self.tenant.as_str())
            .execute(&mut *self.sql)
            .await?;
        Ok(())
    }
}

/// Of the run: 0, its number, pipeline, version, fence and the wish for its end, and its plan. Of an event: its version, and itself.
type RunRow = (i64, Option<i64>, Option<String>, Option<i64>, Option<i64>, Option<String>, String);

impl Read {
    pub(crate) async fn run(&mut self, id: &RunId) -> Result<Option<RunRecord>> {
        // One statement is one moment, so that the events are those of the version.
        let found: Vec<RunRow> = sql::query_as(
            "SELECT 0 AS place, run.number, run.pipeline, run.version, run.fence, run.cancel, plan.body
               FROM run JOIN plan ON plan.tenant = run.tenant AND plan.run = run.id
               WHERE run.tenant = $1 AND run.id = $2
             UNION ALL SELECT version, NULL, NULL, NULL, NULL, NULL, body FROM event WHERE tenant = $1 AND run = $2
             ORDER BY place",
        )
        .bind(self.tenant.as_str())
        .bind(id.as_str())
        .fetch_all(&mut *self.sql)
        .await?;
        let mut rows = found.into_iter();
        let Some((_, Some(number), Some(pipeline), Some(version), Some(fence), wish, plan)) = rows.next()
        else {
            return Ok(None);
        };
        let events = rows.map(|(.., body)| from_json("an event of a run", &body));
        Ok(Some(RunRecord {
            id: id.clone(),
            number: count("the number of a run", number)?,
            pipeline: name("the pipeline of a run", pipeline)?,
            plan: from_json("the plan of a run", &plan)?,
            events: events.collect::<std::result::Result<_, _>>()?,
            version: count("the version of a run", version)?,
            fence: count("the fence of a run", fence)?,
            cancel: wish.as_deref().map(cancel_wish).transpose()?,
        }))
    }

    pub(crate) async fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunSummary>> {
        let query = sql::query_as(list(filter))
            .bind(self.tenant.as_str())
            .bind(filter.before.map_or(i64::MAX, int))
            .bind(limit(filter.max));
        let query = match &filter.pipeline {
            None => query,
            Some(pipeline) => query.bind(pipeline.as_str()),
        };
        let found: Vec<SummaryRow> = query.fetch_all(&mut *self.sql).await?;
        found.into_iter().map(|row| Ok(summary(row)?)).collect()
    }
}

/// One statement for each set of filters, so that each has its index.
pub(crate) fn list(filter: &RunFilter) -> &'static str {
    macro_rules! list {
        ($more:literal) => {
            concat!(
                "SELECT id, number, pipeline, status, created_at, ended_at,
                   CASE WHEN holder IS NOT NULL THEN held_until END FROM run WHERE tenant = $1 ",
                $more,
                " AND number < $2 ORDER BY number DESC LIMIT $3"
            )
        };
    }
    match (&filter.pipeline, filter.unfinished) {
        (None, false) => list!(""),
        (None, true) => list!("AND ended_at IS NULL"),
        (Some(_), false) => list!("AND pipeline = $4"),
        (Some(_), true) => list!("AND pipeline = $4 AND ended_at IS NULL"),
    }
}
