use super::{Run, Tenant};
use crate::{Lease, NewRun, RunFilter, RunRecord, RunSummary, StoreError, Writer};
use stageway_core::name::RunId;
use std::collections::{BTreeMap, BTreeSet};

impl Tenant {
    pub(super) fn create(&mut self, new: NewRun) -> Result<u64, StoreError> {
        if let Some(run) = self.runs.get(&new.id) {
            if run.pipeline == new.pipeline && run.plan == new.plan {
                return Ok(run.number);
            }
            return Err(StoreError::Conflict(format!("run {} stands with another plan", new.id)));
        }
        let number = self.runs.len() as u64 + 1;
        let run = Run {
            number,
            pipeline: new.pipeline,
            plan: new.plan,
            at: new.at,
            standing: new.events.iter().collect(),
            events: new.events,
            fence: 0,
            holder: None,
            rests: false,
            records: BTreeMap::new(),
            lines: Vec::new(),
            origins: BTreeSet::new(),
            reports: Vec::new(),
            approvals: Vec::new(),
            cancel: None,
        };
        self.runs.insert(new.id, run);
        self.changes += 1;
        Ok(number)
    }

    pub(super) fn record(&self, id: &RunId) -> Option<RunRecord> {
        self.runs.get(id).map(|run| RunRecord {
            id: id.clone(),
            number: run.number,
            pipeline: run.pipeline.clone(),
            plan: run.plan.clone(),
            version: run.events.len() as u64,
            events: run.events.clone(),
            fence: run.fence,
            cancel: run.cancel.clone(),
        })
    }

    pub(super) fn summaries(&self, filter: &RunFilter) -> Vec<RunSummary> {
        let mut all: Vec<_> =
            self.runs.iter().map(|(id, run)| summary(id, run)).filter(|run| fits(run, filter)).collect();
        all.sort_by_key(|run| std::cmp::Reverse(run.number));
        all.truncate(filter.max as usize);
        all
    }

    pub(super) fn lease(
        &mut self,
        id: &RunId,
        holder: &str,
        now: u64,
        until: u64,
        force: bool,
    ) -> Result<Option<Lease>, StoreError> {
        let run = self.run_mut(id)?;
        let other = run.holder.as_ref().is_some_and(|(name, end)| name != holder && *end > now);
        if other && !force {
            return Ok(None);
        }
        run.fence += 1;
        run.holder = Some((holder.to_owned(), until));
        run.rests = false;
        let fence = run.fence;
        self.drop_claims(id);
        self.changes += 1;
        Ok(Some(Lease { fence, until }))
    }

    pub(super) fn rest(&mut self, writer: &Writer, rests: bool) -> Result<(), StoreError> {
        self.fenced(writer)?.rests = rests;
        self.changes += 1;
        Ok(())
    }

    pub(super) fn renew(&mut self, writer: &Writer, until: u64) -> Result<(), StoreError> {
        let run = self.fenced(writer)?;
        if let Some((_, end)) = &mut run.holder {
            *end = until;
        }
        Ok(())
    }
}

fn summary(id: &RunId, run: &Run) -> RunSummary {
    RunSummary {
        id: id.clone(),
        number: run.number,
        pipeline: run.pipeline.clone(),
        status: run.standing.status(),
        created_at: run.at,
        ended_at: run.standing.ended_at(),
        waits: None,
        held_until: run.holder.as_ref().map(|(_, until)| *until),
    }
}

fn fits(run: &RunSummary, filter: &RunFilter) -> bool {
    filter.pipeline.as_ref().is_none_or(|pipeline| *pipeline == run.pipeline)
        && !(filter.unfinished && run.status.is_final())
        && filter.before.is_none_or(|before| run.number < before)
}
