//! An engine with real adapters in a directory of its own, and runs on it.

use crate::Bench;
use crate::cost::{processor, since};
use anyhow::{Result, anyhow, ensure};
use async_trait::async_trait;
use stageway_conductor::driver::drive;
use stageway_conductor::engine::{Blind, Engine, Registries, Rules};
use stageway_conductor::planner::{Prepared, Request, create, make};
use stageway_conductor::trees::Trees;
use stageway_core::definition::parse;
use stageway_core::event::{Event, Trust};
use stageway_core::name::{RunId, TenantId};
use stageway_core::policy::Policy;
use stageway_core::run::{RunEvent, RunStatus};
use stageway_executors::local::{LocalExecutor, LocalOptions};
use stageway_host::{CompileBy, Host, HostOptions};
use stageway_ports::memory::{MemoryHttp, MemorySecrets, MemorySource};
use stageway_ports::{Beside, Clock, Executor, Lease, Registry, Store as _, Writer};
use stageway_stores::{FsBlobs, PluginDirectories, SqliteStore};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// A state directory with everything that works on it.
pub(crate) struct World {
    pub(crate) directory: TempDir,
    pub(crate) store: SqliteStore,
    pub(crate) host: Arc<Host>,
    pub(crate) blobs: Arc<FsBlobs>,
    executor: Arc<LocalExecutor>,
    runs: AtomicU32,
}

/// What a run took.
#[derive(Debug, Clone)]
pub(crate) struct Driven {
    pub(crate) run: RunId,
    pub(crate) seconds: f64,
    pub(crate) processor: f64,
    pub(crate) commits: u64,
}

/// The time of this machine.
struct System;

#[async_trait]
impl Clock for System {
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    async fn until(&self, at_ms: u64) {
        tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(self.now_ms()))).await;
    }
}

struct NoRegistries;

#[async_trait]
impl Registries for NoRegistries {
    async fn open(&self, _tenant: &TenantId, _connection: &str) -> Option<Arc<dyn Registry>> {
        None
    }
}

impl World {
    /// A new state with these plugins.
    pub(crate) async fn new(bench: &Bench, plugins: &[(&str, Vec<u8>)]) -> Result<Self> {
        let mut directory = tempfile::tempdir_in(&bench.directory)?;
        directory.disable_cleanup(true);
        let state = directory.path();
        std::fs::create_dir(state.join("plugins"))?;
        for (name, bytes) in plugins {
            std::fs::write(state.join("plugins").join(name).with_extension("wasm"), bytes)?;
        }
        let compile_by =
            CompileBy::Child { program: bench.binary.clone(), arguments: vec![OsString::from("compile")] };
        let host = Arc::new(Host::new(HostOptions::new(state.join("compiled"), compile_by))?);
        let (tasks, blobs) = (state.join("tasks"), state.join("blobs"));
        let mut supervisor = vec![bench.binary.clone().into_os_string()];
        supervisor.extend(["supervisor", "serve", "--directory"].map(OsString::from));
        supervisor.extend([tasks.clone().into_os_string(), "--blobs".into(), blobs.clone().into_os_string()]);
        let executor = LocalExecutor::new(LocalOptions {
            state: tasks,
            supervisor,
            toolbox: Vec::new(),
            start_within: Duration::from_secs(20),
        });
        let blobs = Arc::new(FsBlobs::open(blobs)?);
        Ok(Self {
            store: SqliteStore::open(state.join("stageway.db"), blobs.clone()).await?,
            host,
            blobs,
            executor: Arc::new(executor),
            runs: AtomicU32::new(0),
            directory,
        })
    }

    /// Its engine, with or without the sandbox.
    pub(crate) fn engine(&self, unconfined: bool) -> Arc<Engine> {
        self.engine_with(self.executor.clone(), unconfined)
    }

    /// The same whose tasks run elsewhere.
    pub(crate) fn engine_with(&self, executor: Arc<dyn Executor>, unconfined: bool) -> Arc<Engine> {
        Arc::new(Engine {
            guests: self.host.clone(),
            store: Arc::new(self.store.clone()),
            blobs: self.blobs.clone(),
            executor,
            registries: Arc::new(NoRegistries),
            http: Arc::new(MemoryHttp::default()),
            secrets: Arc::new(MemorySecrets::new([])),
            source: Arc::new(MemorySource::default()),
            cluster: None,
            clock: Arc::new(System),
            observer: Arc::new(Blind),
            trees: Trees::default(),
            rules: Rules { unconfined, ..Rules::default() },
        })
    }

    /// A plan of a pipeline file.
    pub(crate) async fn plan(&self, pipeline: &str) -> Result<Prepared> {
        let plugins = vec![self.directory.path().join("plugins")];
        let plugins = PluginDirectories::new(self.host.clone(), plugins);
        let request = Request {
            tenant: &TenantId::local(),
            parsed: parse("stageway.yaml", pipeline.as_bytes()),
            beside: &Beside::default(),
            event: &Event::push("main", "0123456789abcdef0123456789abcdef01234567", Trust::Protected),
            parameters: &BTreeMap::new(),
            policy: &Policy::single_machine(),
            changed: None,
        };
        let told = |problems: Vec<stageway_core::diagnostic::Diagnostic>| {
            anyhow!(
                "{}",
                problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>().join("; ")
            )
        };
        make(&*self.host, &plugins, request).await.map_err(told)
    }

    /// A run of that pipeline, from the lease to its end.
    pub(crate) async fn run(&self, engine: &Arc<Engine>, pipeline: &str) -> Result<Driven> {
        let run = self.queued(engine, pipeline).await?;
        let (writer, lease) = self.leased(engine, &run).await?;
        let (before, processor_before, begun) = (self.store.commits(), processor(), Instant::now());
        let status = drive(engine.clone(), writer, lease, None).await?;
        let (seconds, processor) = (since(begun), processor() - processor_before);
        ensure!(status == RunStatus::Succeeded, "the run {} {}", run, status.as_str());
        Ok(Driven { run, seconds, processor, commits: self.store.commits() - before })
    }

    /// The seconds of the same whose engine is gone so long after the second stage has started, and whose next one takes it up at
    /// once.
    pub(crate) async fn killed_in_the_second(
        &self,
        (engine, next): (&Arc<Engine>, &Arc<Engine>),
        pipeline: &str,
        after: Duration,
    ) -> Result<f64> {
        let run = self.queued(engine, pipeline).await?;
        let (writer, lease) = self.leased(engine, &run).await?;
        let begun = Instant::now();
        let killed = async {
            while self.started(&run).await? < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::time::sleep(after).await;
            anyhow::Ok(())
        };
        // A driver that is dropped is an engine that has died.
        tokio::select! {
            ended = drive(engine.clone(), writer, lease, None) => anyhow::bail!("it ended before: {ended:?}"),
            killed = killed => killed?,
        }
        let (writer, lease) = self.leased(next, &run).await?;
        let status = drive(next.clone(), writer, lease, None).await?;
        ensure!(status == RunStatus::Succeeded, "the run {} {}", run, status.as_str());
        Ok(since(begun))
    }

    async fn queued(&self, engine: &Arc<Engine>, pipeline: &str) -> Result<RunId> {
        let run = RunId::new(format!("bench-{}", self.runs.fetch_add(1, Ordering::Relaxed)))?;
        create(engine, &TenantId::local(), &run, self.plan(pipeline).await?, &Arc::default()).await?;
        Ok(run)
    }

    async fn leased(&self, engine: &Arc<Engine>, run: &RunId) -> Result<(Writer, Lease)> {
        let (tenant, now) = (TenantId::local(), engine.clock.now_ms());
        let lease = self.store.lease(&tenant, run, "bench", now, now + engine.rules.lease_ms, true).await?;
        let lease = lease.ok_or_else(|| anyhow!("the run is held by another"))?;
        Ok((Writer { tenant, run: run.clone(), fence: lease.fence }, lease))
    }

    /// How many attempts of it have started.
    async fn started(&self, run: &RunId) -> Result<usize> {
        let found =
            self.store.run(&TenantId::local(), run).await?.ok_or_else(|| anyhow!("the run is gone"))?;
        Ok(found.events.iter().filter(|event| matches!(event, RunEvent::AttemptStarted { .. })).count())
    }
}
