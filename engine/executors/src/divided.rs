//! Two executors: tasks on this machine, and tasks as pods.
//!
//! A task is divided by what it is when it is started, and afterwards by who knows its name, so that an engine that was started again,
//! also with another division, finds each task where it is.

use crate::kubernetes::KubernetesExecutor;
use async_trait::async_trait;
use stageway_core::name::{TaskName, TenantId};
use stageway_core::task::{Root, TaskSpec, TaskState};
use stageway_ports::{Chunk, Cursor, Executor, Incarnation, SecretValues, TaskError};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Names whose side is remembered, so that a task is asked for on one side only; more are looked up again.
const REMEMBERED: usize = 100_000;

/// Who runs a task.
#[derive(Clone)]
enum Side {
    Here,
    Pods(Arc<KubernetesExecutor>),
}

/// Pods of every tenant in one namespace, or in one of its own.
pub struct PodExecutors {
    /// Of all tenants that have none of their own.
    pub usual: Arc<KubernetesExecutor>,
    /// Of those that have one.
    pub tenants: BTreeMap<TenantId, Arc<KubernetesExecutor>>,
}

impl PodExecutors {
    fn of(&self, tenant: &TenantId) -> &Arc<KubernetesExecutor> {
        self.tenants.get(tenant).unwrap_or(&self.usual)
    }

    fn all(&self) -> impl Iterator<Item = &Arc<KubernetesExecutor>> {
        std::iter::once(&self.usual).chain(self.tenants.values())
    }
}

/// Runs tasks that name an image as pods and those with the toolbox on this machine, or all of them as pods.
pub struct DividedExecutor {
    here: Arc<dyn Executor>,
    pods: PodExecutors,
    all: bool,
    sides: Mutex<HashMap<TaskName, Side>>,
}

impl DividedExecutor {
    /// Divides between both; `all` sends those with the toolbox to the pods too.
    pub fn new(here: Arc<dyn Executor>, pods: PodExecutors, all: bool) -> Self {
        Self { here, pods, all, sides: Mutex::default() }
    }

    /// Who runs tasks of a kind, whoever they are of.
    fn kind(&self, with_image: bool) -> &dyn Executor {
        if self.all || with_image { &*self.pods.usual } else { &*self.here }
    }

    fn wanted(&self, spec: &TaskSpec) -> Side {
        match self.all || matches!(spec.process.root, Root::Image(_)) {
            true => Side::Pods(self.pods.of(&spec.owner.tenant).clone()),
            false => Side::Here,
        }
    }

    fn on(&self, side: Side) -> Arc<dyn Executor> {
        match side {
            Side::Here => self.here.clone(),
            Side::Pods(executor) => executor,
        }
    }

    fn remembered(&self, name: &TaskName) -> Option<Side> {
        self.sides.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn remember(&self, name: &TaskName, side: Side) {
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        if sides.len() >= REMEMBERED {
            sides.clear();
        }
        sides.insert(name.clone(), side);
    }

    /// Who knows a task, if anybody does.
    async fn known(&self, name: &TaskName) -> Result<Option<Side>, TaskError> {
        if let Some(side) = self.remembered(name) {
            return Ok(Some(side));
        }
        let side = match self.here.state(name, None, Duration::ZERO).await {
            Ok(_) => Side::Here,
            Err(TaskError::Unknown(_)) => match self.has_pod(name).await? {
                Some(executor) => Side::Pods(executor),
                None => return Ok(None),
            },
            Err(error) => return Err(error),
        };
        self.remember(name, side.clone());
        Ok(Some(side))
    }

    async fn has_pod(&self, name: &TaskName) -> Result<Option<Arc<KubernetesExecutor>>, TaskError> {
        for executor in self.pods.all() {
            if executor.has(name).await? {
                return Ok(Some(executor.clone()));
            }
        }
        Ok(None)
    }

    /// Who is asked about a task; what nobody knows is unknown on either side.
    async fn of(&self, name: &TaskName) -> Result<Arc<dyn Executor>, TaskError> {
        Ok(self.on(self.known(name).await?.unwrap_or(Side::Here)))
    }
}

#[async_trait]
impl Executor for DividedExecutor {
    async fn ensure(
        &self,
        name: &TaskName,
        spec: &TaskSpec,
        secrets: &SecretValues,
    ) -> Result<Incarnation, TaskError> {
        // Started before, maybe by an engine that divided in another way.
        let side = self.known(name).await?.unwrap_or_else(|| self.wanted(spec));
        let incarnation = self.on(side.clone()).ensure(name, spec, secrets).await?;
        self.remember(name, side);
        Ok(incarnation)
    }

    async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, TaskError> {
        self.of(name).await?.state(name, known, within).await
    }

    async fn output(&self, name: &TaskName, from: &Cursor, max: usize) -> Result<Chunk, TaskError> {
        self.of(name).await?.output(name, from, max).await
    }

    async fn cancel(&self, name: &TaskName, grace: Duration) -> Result<(), TaskError> {
        self.of(name).await?.cancel(name, grace).await
    }

    async fn forget(&self, name: &TaskName) -> Result<(), TaskError> {
        self.of(name).await?.forget(name).await?;
        self.sides.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        Ok(())
    }

    async fn toolbox(&self) -> Result<BTreeMap<String, String>, TaskError> {
        self.kind(false).toolbox().await
    }

    fn unpacks(&self, with_image: bool) -> bool {
        self.kind(with_image).unpacks(with_image)
    }

    fn has_identity(&self, name: &str, with_image: bool) -> bool {
        self.kind(with_image).has_identity(name, with_image)
    }

    async fn sweep(&self) -> Result<Vec<TaskName>, TaskError> {
        let mut found = self.here.sweep().await?;
        for executor in self.pods.all() {
            found.extend(executor.sweep().await?);
        }
        Ok(found)
    }
}
