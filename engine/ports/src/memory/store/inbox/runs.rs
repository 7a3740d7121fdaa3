use super::super::Tenant;
use super::{Letters, Origin, Status, What, closes};
use crate::{Admission, Admitted, NewStatus, PendingStatus, RunOrigin, StoreError, Telling};
use stageway_core::delivery::Revision;
use stageway_core::name::{RepositoryId, RunId, TenantId};
use std::collections::BTreeSet;

fn other_key(run: &RunId) -> StoreError {
    StoreError::Conflict(format!("run {run} stands under another key"))
}

impl Letters {
    /// Whether all of them may begin to exist, one after the other.
    pub(super) fn admits(&self, runs: &[Admission]) -> Result<(), StoreError> {
        let mut ids = BTreeSet::new();
        for Admission { key, run, .. } in runs {
            let stands = self.origins.values().any(|origin| origin.key == *key);
            if !stands && (self.origins.contains_key(&run.id) || !ids.insert(&run.id)) {
                return Err(other_key(&run.id));
            }
        }
        Ok(())
    }
}

impl Tenant {
    pub(super) fn admit(&mut self, number: u64, admission: Admission) -> Result<Admitted, StoreError> {
        let standing = self.letters.origins.iter().find(|(_, origin)| origin.key == admission.key);
        if let Some((run, _)) = standing {
            let number = self.run(run)?.number;
            return Ok(Admitted { run: run.clone(), number, new: false });
        }
        let id = admission.run.id.clone();
        if self.letters.origins.contains_key(&id) {
            return Err(other_key(&id));
        }
        let (at, run_number) = (admission.run.at, self.create(admission.run)?);
        let repository = admission.key.repository.clone();
        if let Some(context) = admission.context {
            self.replace(number, (repository, admission.revision.clone(), context), What::Run(id.clone()));
        }
        let origin = Origin {
            key: admission.key,
            revision: admission.revision,
            delivery: admission.delivery,
            concurrency: admission.concurrency,
            after: admission.after,
            listened: admission.listened,
        };
        self.letters.origins.insert(id.clone(), origin);
        self.give_way_to(&id, at);
        Ok(Admitted { run: id, number: run_number, new: true })
    }

    pub(super) fn tell(&mut self, number: u64, new: NewStatus) {
        let place = (new.repository, new.revision, new.report.context.clone());
        self.replace(number, place, What::Fixed(new.report));
    }

    fn replace(&mut self, number: u64, place: (RepositoryId, Revision, String), what: What) {
        let (repository, revision, context) = place;
        for earlier in self.letters.statuses.values_mut() {
            if (&earlier.repository, &earlier.revision, &earlier.context)
                == (&repository, &revision, &context)
            {
                earlier.closed = true;
            }
        }
        let (told, closed, attempts, due) = (false, false, 0, 0);
        let status = Status { repository, revision, context, what, told, closed, attempts, due };
        self.letters.statuses.insert(number, status);
    }

    pub(super) fn origin(&self, id: &RunId) -> Option<RunOrigin> {
        let (origin, run) = (self.letters.origins.get(id)?, self.runs.get(id)?);
        Some(RunOrigin {
            run: id.clone(),
            number: run.number,
            key: origin.key.clone(),
            revision: origin.revision.clone(),
            delivery: origin.delivery.clone(),
            concurrency: origin.concurrency.clone(),
            after: origin.after.clone(),
            status: run.standing.status(),
        })
    }

    /// Those that have not ended, oldest first.
    pub(super) fn unfinished(&self) -> Vec<RunOrigin> {
        let mut open: Vec<_> = self.letters.origins.keys().filter_map(|id| self.origin(id)).collect();
        open.retain(|origin| !origin.status.is_final());
        open.sort_by_key(|origin| origin.number);
        open
    }

    pub(super) fn unfollowed(&self) -> Vec<RunOrigin> {
        let listened = self.letters.origins.iter().filter(|(_, origin)| origin.listened);
        listened.filter_map(|(id, _)| self.origin(id)).filter(|origin| origin.status.is_final()).collect()
    }

    pub(super) fn followed(&mut self, run: &RunId) {
        if let Some(origin) = self.letters.origins.get_mut(run) {
            origin.listened = false;
        }
    }

    pub(super) fn pending(&self, tenant: &TenantId, now: u64) -> Vec<PendingStatus> {
        let open = self.letters.statuses.iter().filter(|(_, status)| !status.closed && status.due <= now);
        let pending = open.filter_map(|(number, status)| {
            let what = match &status.what {
                What::Fixed(report) => Telling::Fixed(report.clone()),
                What::Run(run) => {
                    let (found, run) = (self.runs.get(run)?, run.clone());
                    Telling::Run { run, number: found.number, status: found.standing.status() }
                }
            };
            let pending = PendingStatus {
                number: *number,
                tenant: tenant.clone(),
                repository: status.repository.clone(),
                revision: status.revision.clone(),
                context: status.context.clone(),
                what,
                attempts: status.attempts,
            };
            (!status.told || closes(&pending)).then_some(pending)
        });
        pending.collect()
    }

    pub(super) fn told(&mut self, pending: &PendingStatus) {
        if let Some(status) = self.letters.statuses.get_mut(&pending.number) {
            (status.told, status.attempts, status.due) = (true, 0, 0);
            status.closed |= closes(pending);
        }
    }

    pub(super) fn untold(&mut self, pending: &PendingStatus, due: Option<u64>) {
        if let Some(status) = self.letters.statuses.get_mut(&pending.number) {
            status.attempts += 1;
            status.due = due.unwrap_or(0);
            status.closed |= due.is_none();
        }
    }
}
