use super::super::{MemoryStore, Tenant};
use crate::{Lease, PlaceWish, Queue, Queued, RunOrigin, StoreError, Turn, Turns};
use async_trait::async_trait;
use stageway_core::name::{RunId, TenantId};
use stageway_core::plan::WhenNewer;

#[async_trait]
impl Queue for MemoryStore {
    async fn next(&self, tenant: &TenantId, max: u32) -> Result<Queued, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.next(max)).await)
    }

    async fn left(
        &self,
        tenant: &TenantId,
        wish: PlaceWish<'_>,
        max: u32,
    ) -> Result<Vec<RunOrigin>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.left(wish, max)).await)
    }

    async fn take_place(
        &self,
        tenant: &TenantId,
        run: &RunId,
        wish: PlaceWish<'_>,
    ) -> Result<Option<Lease>, StoreError> {
        self.write(tenant, |tenant| tenant.take_place(run, wish)).await
    }

    async fn turns(&self, tenant: &TenantId, newest: u64, max: u32) -> Result<Turns, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.turns(newest, max)).await)
    }

    async fn mend(&self, _: &TenantId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

impl Tenant {
    fn has_place(&self, run: &RunId) -> bool {
        self.runs.get(run).is_some_and(|run| run.holder.is_some())
    }

    fn taken(&self) -> u32 {
        let takes = |run: &RunId| self.runs.get(run).is_some_and(|run| run.holder.is_some() && !run.rests);
        self.unfinished().iter().filter(|origin| takes(&origin.run)).count() as u32
    }

    /// Those without a place, oldest first.
    fn waiting(&self) -> Vec<(RunOrigin, Turn)> {
        let open = self.unfinished();
        let turn = |origin: &RunOrigin| {
            let ending = self.runs.get(&origin.run).is_some_and(|run| run.cancel.is_some());
            let same = |other: &&RunOrigin| origin.group().is_some() && other.group() == origin.group();
            let oldest = open.iter().find(same).map(|oldest| oldest.number);
            match oldest.filter(|oldest| *oldest < origin.number) {
                _ if ending => Turn::Ending,
                Some(oldest) => Turn::Behind(oldest),
                None => Turn::Next,
            }
        };
        let without = open.iter().filter(|origin| !self.has_place(&origin.run));
        without.map(|origin| (origin.clone(), turn(origin))).collect()
    }

    fn next(&self, max: u32) -> Queued {
        let frozen = self.frozen.all();
        let wanted = |turn| turn == Turn::Ending || (turn == Turn::Next && !frozen);
        let next = self.waiting().into_iter().filter(|(_, turn)| wanted(*turn)).map(|(origin, _)| origin);
        Queued { frozen, taken: self.taken(), next: next.take(max as usize).collect() }
    }

    fn left(&self, wish: PlaceWish<'_>, max: u32) -> Vec<RunOrigin> {
        let gone = |origin: &RunOrigin| {
            let holder = self.runs.get(&origin.run).and_then(|run| run.holder.as_ref());
            holder.is_some_and(|(name, until)| name != wish.holder && (wish.alone || *until <= wish.now))
        };
        self.unfinished().into_iter().filter(gone).take(max as usize).collect()
    }

    fn take_place(&mut self, run: &RunId, wish: PlaceWish<'_>) -> Result<Option<Lease>, StoreError> {
        self.run(run)?;
        let mut waiting = self.waiting().into_iter().filter(|(origin, _)| origin.run == *run);
        let waits = match waiting.next() {
            Some((_, Turn::Behind(_))) => true,
            Some(_) => self.taken() >= wish.most,
            None => !self.unfinished().iter().any(|origin| origin.run == *run),
        };
        if waits {
            return Ok(None);
        }
        self.lease(run, wish.holder, wish.now, wish.until, wish.alone)
    }

    fn turns(&self, newest: u64, max: u32) -> Turns {
        let waiting = self.waiting().into_iter().rev().filter(|(origin, _)| origin.number <= newest);
        let runs = waiting.map(|(origin, turn)| (origin.number, turn)).take(max as usize).collect();
        Turns { taken: self.taken(), runs }
    }

    /// Asks older runs of a new one's group to end, as far as their files say so.
    pub(super) fn give_way_to(&mut self, new: &RunId, at: u64) {
        let Some(newer) = self.origin(new) else { return };
        for older in self.unfinished() {
            let placed = self.has_place(&older.run);
            let gives_way = match older.concurrency.as_ref().map(|concurrency| concurrency.when_newer) {
                Some(WhenNewer::CancelRunning) => true,
                Some(WhenNewer::CancelQueued) => !placed,
                Some(WhenNewer::Wait) | None => false,
            };
            if older.number < newer.number && older.group() == newer.group() && gives_way {
                let reason = format!("run {new} is newer");
                let _ = self.request_cancel(&older.run, "stageway", &reason, at);
            }
        }
    }
}
