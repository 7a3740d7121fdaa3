mod append;
mod environments;
mod fault;
mod freezes;
mod inbox;
mod people;
mod port;
mod runs;

pub use fault::Fault;

use crate::{Approval, NewProof, StoreError, StoredLine, Writer};
use environments::Environment;
use fault::Faults;
use freezes::Frozen;
use inbox::Letters;
use serde_json::Value as Json;
use stageway_core::journal::Record;
use stageway_core::log::{Line, Origin, Report};
use stageway_core::name::{EnvironmentName, PipelineName, RunId, StageName, TenantId};
use stageway_core::run::{RunEvent, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A store in memory. A clone is the same handle; [`MemoryStore::reopen`] is another process with the same data.
///
/// # Crash tests
/// [`MemoryStore::fault_at`] lets the n-th write fail, or the process die there: from then on no call of this handle
/// returns, and [`MemoryStore::crashed`] does. A test drops what ran, as the kernel would, and goes on with
/// [`MemoryStore::reopen`]:
///
/// ```text
/// store.fault_at(7, Fault::CrashAfter);
/// tokio::select! { ended = drive(&store) => ended, () = store.crashed() => drive(&store.reopen()).await }
/// ```
#[derive(Debug, Clone)]
pub struct MemoryStore {
    data: Arc<Data>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Data {
    tenants: Mutex<BTreeMap<TenantId, Tenant>>,
    /// Of deliveries and statuses, over all tenants.
    numbers: AtomicU64,
    changes: watch::Sender<()>,
}

/// Everything of one tenant: nothing in here can name another's.
#[derive(Debug, Default)]
struct Tenant {
    runs: BTreeMap<RunId, Run>,
    proofs: Vec<(RunId, NewProof)>,
    environments: BTreeMap<EnvironmentName, Environment>,
    letters: Letters,
    frozen: Frozen,
    /// Grows with what a reader can see, and with nothing else: a claim that finds its environment busy wakes nobody.
    changes: u64,
}

#[derive(Debug)]
struct Run {
    number: u64,
    pipeline: PipelineName,
    plan: Json,
    at: u64,
    events: Vec<RunEvent>,
    standing: Standing,
    fence: u64,
    /// Who holds it, and until when.
    holder: Option<(String, u64)>,
    /// It gave its place back, and only waits.
    rests: bool,
    records: BTreeMap<(StageName, u32), BTreeMap<(u32, u8), Record>>,
    lines: Vec<StoredLine>,
    /// Keys of the lines that stand.
    origins: BTreeSet<(Option<StageName>, u32, Origin)>,
    /// With whether it was struck out.
    reports: Vec<(Report, bool)>,
    approvals: Vec<Approval>,
    cancel: Option<(String, String, u64)>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// A store with nothing in it.
    pub fn new() -> Self {
        let data =
            Data { tenants: Mutex::default(), numbers: AtomicU64::new(0), changes: watch::Sender::new(()) };
        Self { data: Arc::new(data), faults: Arc::new(Faults::none()) }
    }

    /// Another handle to the same data, without faults: what a process sees that starts after this one died.
    pub fn reopen(&self) -> Self {
        Self { data: Arc::clone(&self.data), faults: Arc::new(Faults::none()) }
    }

    /// What goes wrong at the write with this number, counted from 1 over every method of this handle that writes.
    pub fn fault_at(&self, write: u64, fault: Fault) {
        self.faults.set(write, fault);
    }

    /// How many writes this handle was asked for.
    pub fn writes(&self) -> u64 {
        self.faults.writes()
    }

    /// Returns when a fault has ended the process of this handle.
    pub async fn crashed(&self) {
        self.faults.crashed().await;
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<TenantId, Tenant>> {
        self.data.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read<T>(&self, tenant: &TenantId, look: impl FnOnce(&Tenant) -> T) -> T {
        self.faults.alive().await;
        match self.tenants().get(tenant) {
            Some(tenant) => look(tenant),
            None => look(&Tenant::default()),
        }
    }

    /// In order, from 1.
    fn next_number(&self) -> u64 {
        self.data.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// One transaction over all tenants, which no reader sees.
    async fn everywhere<T>(
        &self,
        act: impl FnOnce(&mut BTreeMap<TenantId, Tenant>) -> T,
    ) -> Result<T, StoreError> {
        self.faults.alive().await;
        Ok(act(&mut self.tenants()))
    }

    /// One transaction: `act` checks everything before it changes anything.
    async fn write<T>(
        &self,
        tenant: &TenantId,
        act: impl FnOnce(&mut Tenant) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.faults.alive().await;
        let fault = self.faults.next();
        match fault {
            Some(Fault::Refuse) => return Err(StoreError::Storage("a fault of the test".into())),
            Some(Fault::CrashBefore) => self.faults.die().await,
            Some(Fault::CrashAfter) | None => {}
        }
        let done = self.commit(tenant, act);
        if fault == Some(Fault::CrashAfter) {
            self.faults.die().await
        }
        done
    }

    fn commit<T>(
        &self,
        tenant: &TenantId,
        act: impl FnOnce(&mut Tenant) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let done = {
            let mut tenants = self.tenants();
            let tenant = tenants.entry(tenant.clone()).or_default();
            let before = tenant.changes;
            let done = act(tenant)?;
            if tenant.changes == before {
                return Ok(done);
            }
            done
        };
        self.data.changes.send_replace(());
        Ok(done)
    }
}

impl Tenant {
    fn run(&self, id: &RunId) -> Result<&Run, StoreError> {
        self.runs.get(id).ok_or_else(|| no_run(id))
    }

    fn run_mut(&mut self, id: &RunId) -> Result<&mut Run, StoreError> {
        self.runs.get_mut(id).ok_or_else(|| no_run(id))
    }

    /// The writer's run, if the writer holds it.
    fn fenced(&mut self, writer: &Writer) -> Result<&mut Run, StoreError> {
        let run = self.run_mut(&writer.run)?;
        if run.fence == writer.fence && run.fence > 0 {
            return Ok(run);
        }
        Err(StoreError::Fenced { run: writer.run.clone(), given: writer.fence, newest: run.fence })
    }
}

fn no_run(id: &RunId) -> StoreError {
    StoreError::NotFound(format!("run {id}"))
}

fn key_of(line: &Line) -> (Option<StageName>, u32, Origin) {
    (line.stage.clone(), line.attempt, line.origin.clone())
}
