//! A run once more: with the plan that it had, and so with the same commit, parameters and grants.

use super::pipelines::context;
use super::{Intake, Trouble};
use serde_json::json;
use stageway_core::journal::canonical;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::Plan;
use stageway_core::run::{RunState, again};
use stageway_ports::{Admission, Claimed, NewRun, RunKey, RunOrigin, RunRecord, Settlement};

impl Intake {
    pub(super) async fn again(
        &self,
        claimed: &Claimed,
        run: &RunId,
        from: Option<&StageName>,
        by: &str,
    ) -> Result<Settlement, Trouble> {
        let tenant = &claimed.tenant;
        let (Some(origin), Some(record)) =
            (self.inbox.origin(tenant, run).await?, self.store.run(tenant, run).await?)
        else {
            return Ok(self.settled(format!("run {run} is gone")));
        };
        let number = record.number;
        let admission = match self.repeated(claimed, (&origin, record), from) {
            Ok(admission) => admission,
            Err(problem) => return Ok(self.settled(problem)),
        };
        let admitted = self.inbox.admit(tenant, admission).await?;
        tracing::info!(
            tenant.id = %tenant, run.id = %admitted.run, run.number = admitted.number, new = admitted.new,
            "a run is done again"
        );
        let mut settlement =
            self.settled(format!("run {number} is done again by {by} as run {}", admitted.number));
        settlement.outcome.runs.push(admitted.run);
        Ok(settlement)
    }

    fn repeated(
        &self,
        claimed: &Claimed,
        (origin, record): (&RunOrigin, RunRecord),
        from: Option<&StageName>,
    ) -> Result<Admission, String> {
        let plan: Plan = serde_json::from_value(record.plan.clone())
            .map_err(|error| format!("run {} cannot be read: {error}", record.number))?;
        let state = RunState::fold(plan.stages.keys(), &record.events);
        if !state.status.is_final() {
            return Err(format!("run {} has not ended", record.number));
        }
        let at = self.clock.now_ms();
        let events = again(&plan, (&record.id, &state), from, at)
            .map_err(|stage| format!("run {} has no stage `{stage}`", record.number))?;
        let unique = json!({ "again": &record.id, "asked": claimed.delivery.key.as_str() });
        let id = RunId::new((self.ids)()).map_err(|error| error.to_string())?;
        let known = !origin.key.is_preflight();
        Ok(Admission {
            key: RunKey { parameters: canonical(&unique), ..origin.key.clone() },
            context: known.then(|| context(record.pipeline.as_str(), plan.event.kind)),
            run: NewRun { id, pipeline: record.pipeline, plan: record.plan, at, events },
            revision: origin.revision.clone(),
            delivery: Some(claimed.delivery.id.clone()),
            concurrency: plan.concurrency.filter(|_| known),
            after: Some(record.id),
            // Whether anybody waits for it is seen when it has ended.
            listened: known,
        })
    }
}
