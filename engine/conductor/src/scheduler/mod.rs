//! Driving the runs of a server: each is leased, driven by this process, and taken up again by the next when this one dies.
//!
//! *Guarantees.* A run is driven by one holder of its lease. Runs of a concurrency group are driven in their order. A tenant
//! never drives more runs than it may, and tenants with waiting runs get their places in turn.
//! *Assumptions.* What wakes us is told ([`Wake`]); the slow look is for runs of other replicas whose lease has ended.

mod choose;

use crate::driver::drive;
use crate::engine::Engine;
use crate::service::{Site, Wake};
use async_trait::async_trait;
use choose::{Choice, Runs, choose};
use stageway_core::name::{RunId, TenantId};
use stageway_ports::{Clock, Freezes, Inbox, Lease, RunOrigin, Store, StoreError, Writer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinError, JoinSet};

/// Without anybody waking us.
const LOOK: Duration = Duration::from_secs(2);
/// Unfinished runs of a tenant that are looked at.
const MOST: u32 = 2_000;

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
    pub inbox: Arc<dyn Inbox>,
    /// Where they are leased.
    pub store: Arc<dyn Store>,
    /// Whether a tenant stands still.
    pub freezes: Arc<dyn Freezes>,
    /// Their engines.
    pub engines: Arc<dyn Engines>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who wakes us, and whom we wake.
    pub wake: Arc<Wake>,
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
#[derive(Default)]
struct Driven {
    tasks: JoinSet<()>,
    /// Who each task drives.
    of_task: HashMap<task::Id, (TenantId, RunId)>,
    /// With the fences of their leases.
    runs: BTreeMap<TenantId, BTreeMap<RunId, u64>>,
    ending: BTreeMap<TenantId, BTreeSet<RunId>>,
    /// The tenant that is asked first the next time.
    turn: usize,
}

impl Scheduler {
    /// Works until `stop` resolves; then waits at most `patience` for the runs that end by themselves, and leaves the others
    /// as durable as they are.
    pub async fn work(&self, stop: impl Future<Output = ()>, patience: Duration) {
        let mut driven = Driven::default();
        let mut stop = std::pin::pin!(stop);
        loop {
            if let Err(error) = self.look(&mut driven).await {
                tracing::error!(%error, "runs cannot be scheduled");
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.wake.scheduler.notified() => {}
                Some(ended) = driven.tasks.join_next_with_id() => self.ended(&mut driven, ended),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.drain(driven, patience).await;
    }

    /// One look: every tenant in turn.
    async fn look(&self, driven: &mut Driven) -> Result<(), StoreError> {
        while let Some(ended) = driven.tasks.try_join_next_with_id() {
            self.ended(driven, ended);
        }
        let tenants: Vec<&TenantId> = self.site.tenants.keys().collect();
        driven.turn = driven.turn.wrapping_add(1);
        for index in 0..tenants.len() {
            let tenant = tenants[(driven.turn + index) % tenants.len()];
            self.tenant(tenant, driven).await?;
        }
        Ok(())
    }

    async fn tenant(&self, tenant: &TenantId, driven: &mut Driven) -> Result<(), StoreError> {
        let unfinished = self.inbox.unfinished(tenant, MOST).await?;
        let ending = driven.ending.entry(tenant.clone()).or_default();
        ending.retain(|run| unfinished.iter().any(|origin| origin.run == *run));
        let mine = driven.runs.entry(tenant.clone()).or_default();
        let most = self.site.tenants.get(tenant).map_or(0, |rules| rules.parallel_runs);
        let room = most.saturating_sub(mine.len()).min(self.share(driven.tasks.len()));
        let mine: BTreeSet<RunId> = mine.keys().cloned().collect();
        let frozen = self.freezes.frozen(tenant).await?.iter().any(|freeze| freeze.environment.is_none());
        let runs = Runs { unfinished: &unfinished, driven: &mine, ending, room, frozen };
        let Choice { end, drive } = choose(&runs);
        for (run, newer) in end {
            let reason = format!("run {newer} is newer");
            let now = self.clock.now_ms();
            self.store.request_cancel(tenant, &run, "stageway", &reason, now).await?;
            ending.insert(run);
        }
        for run in drive {
            if let Some(origin) = unfinished.iter().find(|origin| origin.run == run) {
                self.take(tenant, origin, driven).await?;
            }
        }
        Ok(())
    }

    /// The places that one tenant may take at once: while others may be waiting, not all of them.
    fn share(&self, taken: usize) -> usize {
        let free = self.parallel_runs.saturating_sub(taken);
        free.div_ceil(self.site.tenants.len().max(1))
    }

    /// Leases a run and drives it.
    async fn take(
        &self,
        tenant: &TenantId,
        origin: &RunOrigin,
        driven: &mut Driven,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let until = now + self.lease_ms;
        let run = &origin.run;
        let Some(lease) = self.store.lease(tenant, run, &self.holder, now, until, self.alone).await? else {
            return Ok(());
        };
        let engine = match self.engines.engine(tenant, origin).await {
            Ok(engine) => engine,
            Err(problem) => {
                tracing::error!(tenant.id = %tenant, run.id = %run, %problem, "a run cannot be driven now");
                return Ok(());
            }
        };
        driven.runs.entry(tenant.clone()).or_default().insert(run.clone(), lease.fence);
        let task = driven.tasks.spawn(one(engine, tenant.clone(), run.clone(), lease)).id();
        driven.of_task.insert(task, (tenant.clone(), run.clone()));
        Ok(())
    }

    fn ended(&self, driven: &mut Driven, ended: Result<(task::Id, ()), JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) => {
                tracing::error!(%error, "a driver broke off");
                error.id()
            }
        };
        if let Some((tenant, run)) = driven.of_task.remove(&task)
            && let Some(runs) = driven.runs.get_mut(&tenant)
        {
            runs.remove(&run);
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
        for (tenant, runs) in driven.runs {
            for (run, fence) in runs {
                // Nobody then waits for the end of the lease.
                let writer = Writer { tenant: tenant.clone(), run, fence };
                if let Err(error) = self.store.renew(&writer, now).await {
                    tracing::warn!(run.id = %writer.run, %error, "a lease was not given back");
                }
            }
        }
    }
}

/// Drives one run to its end, or as far as it goes.
async fn one(engine: Arc<Engine>, tenant: TenantId, run: RunId, lease: Lease) {
    let writer = Writer { tenant: tenant.clone(), run: run.clone(), fence: lease.fence };
    match drive(engine, writer, lease).await {
        Ok(status) => {
            tracing::info!(tenant.id = %tenant, run.id = %run, status = status.as_str(), "a run ended")
        }
        Err(error) => tracing::error!(tenant.id = %tenant, run.id = %run, %error, "a run was left"),
    }
}
