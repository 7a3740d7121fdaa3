//! Driving the runs of a server: each is leased, driven by this process, and taken up again by the next when this one dies.
//!
//! *Guarantees.* A run is driven by one holder of its lease. Runs of a concurrency group are driven in their order. A tenant
//! never has more places than it may, over all servers that share the database, and of the places of this process each tenant
//! has its share ([`shares`]). A run that only waits has no place meanwhile. A look costs as much with many runs as with few.
//! *Assumptions.* What wakes us is told ([`Wake`]); the slow look is for runs whose holder is gone, and for what other servers
//! have admitted and have no place for.

mod shares;

use crate::driver::{Rest, Rests, drive};
use crate::engine::Engine;
use crate::service::{Site, Tracer, Wake};
use async_trait::async_trait;
use shares::Shares;
use stageway_core::name::{RunId, TenantId};
use stageway_ports::{Clock, Lease, PlaceWish, Queue, RunOrigin, Store, StoreError, Writer};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

/// Without anybody waking us.
const LOOK: Duration = Duration::from_secs(2);
/// Slow looks until the queue is mended again.
const MEND: u32 = 30;
/// What drivers tell at the same time at most; more of them wait.
const RESTS: usize = 256;

/// Makes the engine of a run: its ports and its source.
#[async_trait]
pub trait Engines: Send + Sync {
    /// The engine of a run.
    ///
    /// # Errors
    /// A sentence, when its repository cannot be opened now.
    async fn engine(&self, tenant: &TenantId, origin: &RunOrigin) -> Result<Arc<Engine>, String>;
}

/// Drives the runs of a server.
pub struct Scheduler {
    /// What the operator registered.
    pub site: Arc<Site>,
    /// Which runs there are.
    pub queue: Arc<dyn Queue>,
    /// Where they are leased.
    pub store: Arc<dyn Store>,
    /// Their engines.
    pub engines: Arc<dyn Engines>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who wakes us, and whom we wake.
    pub wake: Arc<Wake>,
    /// Whom traces of runs are told; none is nobody.
    pub tracer: Option<Tracer>,
    /// Who we are in a lease; another after every start.
    pub holder: String,
    /// Nobody else drives runs of this store: leases of the dead are taken at once.
    pub alone: bool,
    /// Runs that are driven at once, over all tenants.
    pub parallel_runs: usize,
    /// How long a lease lasts, in milliseconds.
    pub lease_ms: u64,
}

/// What one process drives.
struct Driven {
    tasks: JoinSet<Left>,
    /// What drivers tell of the places of their runs, and where they tell it.
    rests: (Rests, mpsc::Receiver<Rest>),
    /// What each task drives.
    of_task: HashMap<task::Id, (TenantId, RunOrigin)>,
    /// With the fences of their leases.
    fences: BTreeMap<(TenantId, RunId), u64>,
    shares: Shares,
    /// Runs that have or may have a place of ours, and that nobody drives: their repository could not be opened, their driver broke
    /// off, or the store did not say whether they have it.
    left: Vec<(TenantId, RunOrigin)>,
}

/// Whether a run was left before it had ended.
type Left = bool;

impl Scheduler {
    /// Works until `stop` resolves; then waits at most `patience` for the runs that end by themselves, and leaves the others
    /// as durable as they are.
    pub async fn work(&self, stop: impl Future<Output = ()>, patience: Duration) {
        let mut driven = self.nothing();
        let mut stop = std::pin::pin!(stop);
        let mut slow = interval(LOOK);
        slow.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = 0_u32;
        loop {
            let is_slow = tokio::select! {
                biased;
                () = &mut stop => break,
                _ = slow.tick() => true,
                () = self.wake.scheduler.notified() => false,
                Some(ended) = driven.tasks.join_next_with_id() => {
                    self.ended(&mut driven, ended);
                    false
                }
                Some(rest) = driven.rests.1.recv() => {
                    self.rests(&mut driven, &rest);
                    false
                }
            };
            let mends = is_slow && looks.is_multiple_of(MEND);
            looks = looks.wrapping_add(u32::from(is_slow));
            if let Err(error) = self.look(&mut driven, is_slow, mends).await {
                tracing::error!(%error, "runs cannot be scheduled");
            }
        }
        self.drain(driven, patience).await;
    }

    fn nothing(&self) -> Driven {
        Driven {
            tasks: JoinSet::new(),
            rests: mpsc::channel(RESTS),
            of_task: HashMap::new(),
            fences: BTreeMap::new(),
            shares: Shares::new(self.parallel_runs, &self.site.tenants),
            left: Vec::new(),
        }
    }

    /// Gives out the places that are free.
    async fn look(&self, driven: &mut Driven, slow: bool, mends: bool) -> Result<(), StoreError> {
        while let Ok(rest) = driven.rests.1.try_recv() {
            self.rests(driven, &rest);
        }
        while let Some(ended) = driven.tasks.try_join_next_with_id() {
            self.ended(driven, ended);
        }
        if mends {
            for tenant in self.site.tenants.keys() {
                while self.queue.mend(tenant).await? {}
            }
        }
        if slow {
            self.take_left(driven).await?;
        }
        let mut waiting = self.waiting(driven.shares.free()).await?;
        loop {
            let wanting: Vec<TenantId> = waiting.keys().cloned().collect();
            let Some(tenant) = driven.shares.next(&wanting, self.clock.now_ms()) else { return Ok(()) };
            let Some(runs) = waiting.get_mut(&tenant) else { return Ok(()) };
            match runs.pop_front() {
                Some(origin) => self.take(&tenant, origin, driven).await?,
                None => drop(waiting.remove(&tenant)),
            }
        }
    }

    /// Runs that have begun go on before others begin.
    async fn take_left(&self, driven: &mut Driven) -> Result<(), StoreError> {
        let mut left = std::mem::take(&mut driven.left).into_iter();
        while let Some((tenant, origin)) = left.next() {
            if let Err(error) = self.take(&tenant, origin, driven).await {
                driven.left.extend(left);
                return Err(error);
            }
        }
        for tenant in self.site.tenants.keys() {
            let free = u32::try_from(driven.shares.free()).unwrap_or(u32::MAX);
            if free == 0 {
                return Ok(());
            }
            for origin in self.queue.left(tenant, self.wish(tenant), free).await? {
                self.take(tenant, origin, driven).await?;
            }
        }
        Ok(())
    }

    /// Runs that could begin, by tenant: as many as could have a place.
    async fn waiting(&self, free: usize) -> Result<BTreeMap<TenantId, VecDeque<RunOrigin>>, StoreError> {
        let mut waiting = BTreeMap::new();
        if free == 0 {
            return Ok(waiting);
        }
        for (tenant, rules) in &self.site.tenants {
            let most = free.min(rules.parallel_runs);
            let queued = self.queue.next(tenant, u32::try_from(most).unwrap_or(u32::MAX)).await?;
            let room = rules.parallel_runs.saturating_sub(queued.taken as usize);
            let next: VecDeque<RunOrigin> = queued.next.into_iter().take(room).collect();
            if !next.is_empty() {
                waiting.insert(tenant.clone(), next);
            }
        }
        Ok(waiting)
    }

    fn wish(&self, tenant: &TenantId) -> PlaceWish<'_> {
        let now = self.clock.now_ms();
        let most = self.site.tenants.get(tenant).map_or(0, |rules| rules.parallel_runs);
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        PlaceWish { holder: &self.holder, now, until: now + self.lease_ms, most, alone: self.alone }
    }

    /// Leases a run and drives it, unless somebody else was faster.
    async fn take(
        &self,
        tenant: &TenantId,
        origin: RunOrigin,
        driven: &mut Driven,
    ) -> Result<(), StoreError> {
        let run = &origin.run;
        if driven.shares.has(tenant, run) {
            return Ok(());
        }
        let wish = self.wish(tenant);
        let lease = match self.queue.take_place(tenant, run, wish).await {
            Ok(Some(lease)) => lease,
            Ok(None) => return Ok(()),
            Err(error) => {
                // Perhaps it is ours, and only the answer was lost: nobody else would take it while we live.
                driven.left.push((tenant.clone(), origin));
                return Err(error);
            }
        };
        let engine = match self.engines.engine(tenant, &origin).await {
            Ok(engine) => engine,
            Err(problem) => {
                tracing::error!(tenant.id = %tenant, run.id = %run, %problem, "a run cannot be driven now");
                driven.left.push((tenant.clone(), origin));
                return Ok(());
            }
        };
        driven.shares.take(tenant, run, wish.now);
        driven.fences.insert((tenant.clone(), run.clone()), lease.fence);
        let task =
            driven.tasks.spawn(one(engine, tenant.clone(), run.clone(), lease, driven.rests.0.clone())).id();
        driven.of_task.insert(task, (tenant.clone(), origin));
        Ok(())
    }

    fn rests(&self, driven: &mut Driven, rest: &Rest) {
        let Rest { tenant, run, rests } = rest;
        match rests {
            true => driven.shares.rest(tenant, run, self.clock.now_ms()),
            false => driven.shares.go_on(tenant, run, self.clock.now_ms()),
        }
    }

    fn ended(&self, driven: &mut Driven, ended: Result<(task::Id, Left), JoinError>) {
        let (task, left) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(%error, "a driver broke off");
                (error.id(), true)
            }
        };
        if let Some((tenant, origin)) = driven.of_task.remove(&task) {
            driven.shares.give_back(&tenant, &origin.run, self.clock.now_ms());
            driven.fences.remove(&(tenant.clone(), origin.run.clone()));
            if left {
                driven.left.push((tenant, origin));
            } else if let Some(tracer) = &self.tracer {
                tracer.ended(tenant, origin);
            }
        }
        self.wake.reporter.notify_one();
        self.wake.follower.notify_one();
    }

    async fn drain(&self, mut driven: Driven, patience: Duration) {
        let all = async {
            while let Some(ended) = driven.tasks.join_next_with_id().await {
                self.ended(&mut driven, ended);
            }
        };
        if tokio::time::timeout(patience, all).await.is_ok() {
            return;
        }
        // What is left goes on from its journal, here or elsewhere.
        driven.tasks.shutdown().await;
        let now = self.clock.now_ms();
        for ((tenant, run), fence) in driven.fences {
            // Nobody then waits for the end of the lease.
            let writer = Writer { tenant, run, fence };
            if let Err(error) = self.store.renew(&writer, now).await {
                tracing::warn!(run.id = %writer.run, %error, "a lease was not given back");
            }
        }
    }
}

/// Drives one run to its end, or as far as it goes.
async fn one(engine: Arc<Engine>, tenant: TenantId, run: RunId, lease: Lease, rests: Rests) -> Left {
    let writer = Writer { tenant: tenant.clone(), run: run.clone(), fence: lease.fence };
    match drive(engine, writer, lease, Some(rests)).await {
        Ok(status) => {
            tracing::info!(tenant.id = %tenant, run.id = %run, status = status.as_str(), "a run ended");
            false
        }
        Err(error) => {
            tracing::error!(tenant.id = %tenant, run.id = %run, %error, "a run was left");
            true
        }
    }
}
