use crate::{Chunk, Cursor, Executor, Incarnation, SecretValues, TaskError};
use async_trait::async_trait;
use stageway_core::call::EndingReason;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskEnding, TaskSpec, TaskState, TaskTimes};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

type Play = dyn Fn(&TaskName, &TaskSpec) -> TaskScript + Send + Sync;

/// Tasks that follow a script. A clone is another handle to the same tasks, so they, and the counts of what was done to
/// them, outlive the engine that is dropped half-way through.
#[derive(Clone)]
pub struct MemoryExecutor {
    inner: Arc<Inner>,
    /// The identities of a cluster whose nodes pull images; none is a machine that unpacks them.
    identities: Option<Vec<String>>,
}

struct Inner {
    play: Box<Play>,
    tables: Mutex<Tables>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Tables {
    tasks: BTreeMap<TaskName, ScriptedTask>,
    starts: BTreeMap<TaskName, u32>,
    cancels: BTreeMap<TaskName, u32>,
    faults: BTreeMap<TaskName, ExecutorFault>,
    incarnations: u64,
}

struct ScriptedTask {
    incarnation: Incarnation,
    spec: TaskSpec,
    secrets: BTreeMap<String, Vec<u8>>,
    output: Vec<u8>,
    state: TaskState,
}

/// What a task does once it is started.
#[derive(Debug, Clone)]
pub struct TaskScript {
    /// What it writes at once.
    pub output: Vec<u8>,
    /// How it ends; none runs until [`MemoryExecutor::finish`], [`MemoryExecutor::lose`] or a cancellation.
    pub ending: Option<TaskEnding>,
}

impl TaskScript {
    /// Ends at once with an exit code.
    pub fn exits(code: i32) -> Self {
        Self { output: vec![], ending: Some(exited(code)) }
    }

    /// Runs until the test ends it.
    pub fn runs() -> Self {
        Self { output: vec![], ending: None }
    }

    /// Writes this first.
    pub fn writing(self, output: impl Into<Vec<u8>>) -> Self {
        Self { output: output.into(), ..self }
    }
}

/// The ending of a process that exited, with nothing else to tell.
pub fn exited(code: i32) -> TaskEnding {
    TaskEnding {
        code: Some(code),
        reason: EndingReason::Exited,
        message: String::new(),
        times: TaskTimes::default(),
        cpu_ms: None,
        peak_memory_bytes: None,
        collected: BTreeMap::new(),
        missing: BTreeMap::new(),
        limits_by: "none".into(),
        output_bytes: 0,
    }
}

/// What goes wrong with the next `ensure` of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorFault {
    /// Nothing is started, and nothing is answered.
    BeforeStart,
    /// It is started, and the answer is lost.
    AfterStart,
}

impl MemoryExecutor {
    /// An executor whose tasks do what `play` says, asked once for each start.
    pub fn new(play: impl Fn(&TaskName, &TaskSpec) -> TaskScript + Send + Sync + 'static) -> Self {
        let inner = Inner { play: Box::new(play), tables: Mutex::default(), changed: watch::Sender::new(0) };
        Self { inner: Arc::new(inner), identities: None }
    }

    /// The same tasks on a cluster: it pulls images by itself, and has these identities.
    pub fn of_a_cluster(self, identities: &[&str]) -> Self {
        Self { identities: Some(identities.iter().map(|&name| name.to_owned()).collect()), ..self }
    }

    /// How often each task was started, forgotten ones included. More than one is the mistake that this port must not make.
    pub fn starts(&self) -> BTreeMap<TaskName, u32> {
        self.tables().starts.clone()
    }

    /// How often each task was cancelled.
    pub fn cancels(&self) -> BTreeMap<TaskName, u32> {
        self.tables().cancels.clone()
    }

    /// The tasks that run, in order of name.
    pub fn running(&self) -> Vec<TaskName> {
        let tables = self.tables();
        let running = tables.tasks.iter().filter(|(_, task)| task.state == TaskState::Running);
        running.map(|(name, _)| name.clone()).collect()
    }

    /// What a task was started with.
    pub fn spec(&self, name: &TaskName) -> Option<TaskSpec> {
        self.tables().tasks.get(name).map(|task| task.spec.clone())
    }

    /// The value of a secret that a task was started with.
    pub fn secret(&self, name: &TaskName, secret: &str) -> Option<Vec<u8>> {
        self.tables().tasks.get(name)?.secrets.get(secret).cloned()
    }

    /// Lets a running task write.
    pub fn write(&self, name: &TaskName, bytes: &[u8]) {
        self.change(name, |task| task.output.extend(bytes));
    }

    /// Ends a running task.
    pub fn finish(&self, name: &TaskName, ending: TaskEnding) {
        self.change(name, |task| task.state = ended(ending, &task.output));
    }

    /// Loses a running task, as when its supervisor is killed.
    pub fn lose(&self, name: &TaskName) {
        self.change(name, |task| task.state = TaskState::Lost);
    }

    /// Lets the next `ensure` of a task go wrong.
    pub fn fail_next_ensure(&self, name: &TaskName, fault: ExecutorFault) {
        self.tables().faults.insert(name.clone(), fault);
    }

    /// Resolves when a task has been started.
    pub async fn started(&self, name: &TaskName) {
        let mut changed = self.inner.changed.subscribe();
        while !self.tables().starts.contains_key(name) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn change(&self, name: &TaskName, change: impl FnOnce(&mut ScriptedTask)) {
        if let Some(task) = self.tables().tasks.get_mut(name).filter(|task| task.state == TaskState::Running)
        {
            change(task);
        }
        self.inner.changed.send_modify(|count| *count += 1);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.inner.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, tables: &mut Tables, name: &TaskName, spec: &TaskSpec, secrets: &SecretValues) {
        let TaskScript { output, ending } = (self.inner.play)(name, spec);
        tables.incarnations += 1;
        *tables.starts.entry(name.clone()).or_default() += 1;
        let state = ending.map_or(TaskState::Running, |ending| ended(ending, &output));
        let task = ScriptedTask {
            incarnation: Incarnation(format!("memory/{}", tables.incarnations)),
            spec: spec.clone(),
            secrets: secrets.0.iter().map(|(name, value)| (name.clone(), value.expose().to_vec())).collect(),
            output,
            state,
        };
        tables.tasks.insert(name.clone(), task);
    }

    /// What is so now, and whether it can still change.
    fn look<T>(&self, name: &TaskName, look: impl FnOnce(&ScriptedTask) -> T) -> Result<T, TaskError> {
        self.tables().tasks.get(name).map(look).ok_or_else(|| TaskError::Unknown(name.clone()))
    }
}

fn ended(mut ending: TaskEnding, output: &[u8]) -> TaskState {
    ending.output_bytes = output.len() as u64;
    TaskState::Ended(Box::new(ending))
}

#[async_trait]
impl Executor for MemoryExecutor {
    async fn ensure(
        &self,
        name: &TaskName,
        spec: &TaskSpec,
        secrets: &SecretValues,
    ) -> Result<Incarnation, TaskError> {
        let unavailable = || TaskError::Unavailable("a fault of the test".into());
        let answer = {
            let mut tables = self.tables();
            let fault = tables.faults.remove(name);
            if fault == Some(ExecutorFault::BeforeStart) {
                return Err(unavailable());
            }
            if !tables.tasks.contains_key(name) {
                self.start(&mut tables, name, spec, secrets);
            }
            let incarnation = tables.tasks.get(name).map(|task| task.incarnation.clone());
            incarnation.filter(|_| fault.is_none()).ok_or_else(unavailable)
        };
        self.inner.changed.send_modify(|count| *count += 1);
        answer
    }

    async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, TaskError> {
        let mut changed = self.inner.changed.subscribe();
        let settled = async {
            loop {
                match self.look(name, |task| (task.incarnation.clone(), task.state.clone())) {
                    Ok((incarnation, _)) if known.is_some_and(|known| *known != incarnation) => {
                        return Ok(TaskState::Lost);
                    }
                    Ok((_, TaskState::Running)) => {}
                    Ok((_, state)) => return Ok(state),
                    Err(TaskError::Unknown(_)) if known.is_some() => return Ok(TaskState::Lost),
                    Err(error) => return Err(error),
                }
                if changed.changed().await.is_err() {
                    return Ok(TaskState::Running);
                }
            }
        };
        tokio::time::timeout(within, settled).await.unwrap_or(Ok(TaskState::Running))
    }

    async fn output(&self, name: &TaskName, from: &Cursor, max: usize) -> Result<Chunk, TaskError> {
        let offset = match from.0.as_str() {
            "" => 0,
            text => text.parse().map_err(|_| TaskError::Refused(format!("`{text}` is not a cursor")))?,
        };
        self.look(name, |task| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(task.output.len());
            let stop = start.saturating_add(max.max(1)).min(task.output.len());
            let end = task.state != TaskState::Running && stop == task.output.len();
            let bytes = task.output[start..stop].to_vec();
            Chunk { bytes, offset, next: Cursor(stop.to_string()), end }
        })
    }

    async fn cancel(&self, name: &TaskName, _grace: Duration) -> Result<(), TaskError> {
        self.look(name, |_| ())?;
        *self.tables().cancels.entry(name.clone()).or_default() += 1;
        self.finish(name, TaskEnding { code: None, reason: EndingReason::Cancelled, ..exited(0) });
        Ok(())
    }

    async fn forget(&self, name: &TaskName) -> Result<(), TaskError> {
        let mut tables = self.tables();
        if tables.tasks.get(name).is_some_and(|task| task.state == TaskState::Running) {
            return Err(TaskError::Refused(format!("the task `{name}` has not ended")));
        }
        tables.tasks.remove(name);
        Ok(())
    }

    async fn toolbox(&self) -> Result<BTreeMap<String, String>, TaskError> {
        Ok([("memory".to_owned(), "1".to_owned())].into())
    }

    fn unpacks(&self, _: bool) -> bool {
        self.identities.is_none()
    }

    fn has_identity(&self, name: &str, _: bool) -> bool {
        self.identities.iter().flatten().any(|one| one == name)
    }

    async fn sweep(&self) -> Result<Vec<TaskName>, TaskError> {
        Ok(self.tables().tasks.keys().cloned().collect())
    }
}
