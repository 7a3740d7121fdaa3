//! A run that only waits, for a time, a person, a lock or a rollout, gives its place back, and takes it again as soon as it
//! goes on: nobody who has something to do waits for somebody who has nothing to do.
//!
//! It goes on also where all places are taken meanwhile. What runs in it then is bounded by the places of stages and tasks, as
//! ever; that it would have to queue once more for what it was promised is worse than one run more.

use super::{DriveError, Driver};
use stageway_core::name::{RunId, StageName, TenantId};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// For so long a run has only waited before it rests: shorter waits are not worth two transactions.
const AFTER: Duration = Duration::from_millis(250);

/// That a run has given its place back, or taken it again.
#[derive(Debug)]
pub struct Rest {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub run: RunId,
    /// It has none now.
    pub rests: bool,
}

/// Whom a driver tells; none where runs have no places.
pub type Rests = mpsc::Sender<Rest>;

/// What a driver knows of the place of its run.
pub(super) struct Place {
    rests: Option<Rests>,
    is_resting: bool,
    /// Stages whose attempt waits for nothing that costs anything.
    waiting: BTreeSet<StageName>,
    since: Option<Instant>,
}

impl Place {
    pub(super) fn new(rests: Option<Rests>) -> Self {
        Self { rests, is_resting: false, waiting: BTreeSet::new(), since: None }
    }

    /// An attempt waits, or goes on.
    pub(super) fn waits(&mut self, stage: StageName, waits: bool) {
        match waits {
            true => self.waiting.insert(stage),
            false => self.waiting.remove(&stage),
        };
    }

    /// When the run rests, if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.since.filter(|_| !self.is_resting && self.rests.is_some())?;
        Some(since + AFTER)
    }
}

impl Driver {
    /// Takes the place again before anything begins; notes since when the run only waits.
    pub(super) async fn placed(&mut self) -> Result<(), DriveError> {
        let only_waits = self.ready.is_empty()
            && self.run.state.ended_at.is_none()
            && self.active.keys().all(|stage| self.place.waiting.contains(stage));
        match only_waits {
            true => drop(self.place.since.get_or_insert_with(Instant::now)),
            false => {
                self.place.since = None;
                self.rest(false).await?;
            }
        }
        Ok(())
    }

    /// Gives the place back, or takes it again.
    pub(super) async fn rest(&mut self, rests: bool) -> Result<(), DriveError> {
        let Some(told) = self.place.rests.clone().filter(|_| self.place.is_resting != rests) else {
            return Ok(());
        };
        self.engine.store.rest(&self.writer, rests).await?;
        self.place.is_resting = rests;
        let (tenant, run) = (self.writer.tenant.clone(), self.writer.run.clone());
        // Where nobody schedules any more, nobody needs to know.
        let _ = told.send(Rest { tenant, run, rests }).await;
        Ok(())
    }
}
