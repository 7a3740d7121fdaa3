//! The tasks that live, and what is known of the others.

use super::SupervisorOptions;
use super::busy::Busy;
use super::claim;
use super::disk::{self, Owner, blocking};
use super::output::{self, Output};
use super::places::Places;
use super::record::{Mark, Record};
use super::registry::Registry;
use super::task::Task;
use super::vessel::Vessels;
use crate::local::protocol::{Failure, OUTPUT, Response, TASKS as CLAIMS};
use crate::local::sandbox;
use stageway_core::call::Bytes;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, TaskState};
use stageway_ports::{Cursor, Incarnation};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The most tasks that live at the same time, waiting ones included.
const TASKS: usize = 4096;

/// How long `output` waits when there is nothing yet.
const OUTPUT_WAITS: Duration = Duration::from_secs(1);

/// Everything of a supervisor.
pub(super) struct Table {
    /// As given.
    pub options: SupervisorOptions,
    /// Who owns what tasks write.
    pub owner: Owner,
    /// What tasks run in.
    pub vessels: Arc<Vessels>,
    /// What it knows of the user's cargo registry.
    pub registry: Registry,
    /// A place for each task that runs at the same time.
    pub places: Places,
    tasks: Mutex<HashMap<TaskName, Arc<Task>>>,
    /// Held while a claim is made or removed.
    claiming: tokio::sync::Mutex<()>,
    busy: Busy,
}

impl Table {
    /// Prepares the state directory, and clears what an earlier supervisor left half-removed.
    pub(super) fn open(options: SupervisorOptions) -> io::Result<Arc<Self>> {
        for name in [CLAIMS, "trash", "images", "caches"] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(options.state.join(name))?;
        }
        for entry in fs::read_dir(options.state.join("trash"))? {
            disk::remove_all(&entry?.path())?;
        }
        Ok(Arc::new(Self {
            registry: Registry::default(),
            owner: Owner { privileged: sandbox::privileged() },
            vessels: Vessels::new(&options)?,
            places: Places::new(options.parallel),
            tasks: Mutex::default(),
            claiming: tokio::sync::Mutex::default(),
            busy: Busy::default(),
            options,
        }))
    }

    /// Counts what keeps the supervisor alive.
    pub(super) fn busy(&self) -> &Busy {
        &self.busy
    }

    /// See [`stageway_ports::Executor::ensure`].
    pub(super) async fn ensure(
        self: &Arc<Self>,
        name: TaskName,
        spec: TaskSpec,
        secrets: BTreeMap<String, Bytes>,
    ) -> Result<Incarnation, Failure> {
        let task = match self.living(&name) {
            Some(task) => task,
            // On its own, so that a caller who goes away does not leave it half-done.
            None => {
                match tokio::spawn(self.clone().claim(name, spec, secrets)).await.unwrap_or_else(dropped)? {
                    Claimed::Now(task) => task,
                    Claimed::Before(incarnation) => return Ok(incarnation),
                }
            }
        };
        let mut claimed = task.claimed.subscribe();
        let answer = claimed.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| dropped("its claim"))
    }

    /// Claims a task, unless that was done before.
    async fn claim(
        self: Arc<Self>,
        name: TaskName,
        spec: TaskSpec,
        secrets: BTreeMap<String, Bytes>,
    ) -> Result<Claimed, Failure> {
        let _one = self.claiming.lock().await;
        if let Some(task) = self.living(&name) {
            return Ok(Claimed::Now(task));
        }
        if self.tasks().len() >= TASKS {
            return Err(Failure::Unavailable(format!("{TASKS} tasks live already")));
        }
        let (record, trash, limit) = (self.record(&name), self.trash(), spec.limits.output_bytes);
        let claimed = blocking(move || match record.mark()? {
            Mark::Started(incarnation) | Mark::Ended(incarnation, _) => Ok(Err(incarnation)),
            mark @ (Mark::Claimed | Mark::Nothing) => {
                if matches!(mark, Mark::Claimed) {
                    record.remove(&trash)?;
                }
                record.claim()?;
                Ok(Ok((Output::create(&record.output(), limit)?, record)))
            }
        });
        match claimed.await.map_err(unreadable)? {
            Err(incarnation) => Ok(Claimed::Before(incarnation)),
            Ok((output, record)) => {
                let task = Arc::new(Task::new(&name, record, output));
                self.tasks().insert(name, task.clone());
                tokio::spawn(claim::run(self.clone(), task.clone(), spec, secrets));
                Ok(Claimed::Now(task))
            }
        }
    }

    /// See [`stageway_ports::Executor::state`].
    pub(super) async fn state(
        &self,
        name: &TaskName,
        known: Option<&Incarnation>,
        within: Duration,
    ) -> Result<TaskState, Failure> {
        let Some(task) = self.living(name) else { return self.recorded(name, known) };
        let claimed = task.claimed.borrow().clone();
        if let (Some(Ok(incarnation)), Some(known)) = (claimed, known)
            && incarnation != *known
        {
            return Ok(TaskState::Lost);
        }
        let mut ended = task.ended.subscribe();
        match tokio::time::timeout(within, ended.wait_for(Option::is_some)).await {
            Ok(Ok(ending)) => match &*ending {
                Some(ending) => Ok(TaskState::Ended(Box::new((**ending).clone()))),
                None => Ok(TaskState::Running),
            },
            Ok(Err(_)) => self.recorded(name, known),
            Err(_) if task.queued.load(Ordering::Relaxed) => Ok(TaskState::Queued),
            Err(_) => Ok(TaskState::Running),
        }
    }

    /// What the disk says of a task that does not live here.
    fn recorded(&self, name: &TaskName, known: Option<&Incarnation>) -> Result<TaskState, Failure> {
        match self.record(name).mark().map_err(unreadable)? {
            Mark::Ended(incarnation, ending) => match known {
                Some(known) if *known != incarnation => Ok(TaskState::Lost),
                _ => Ok(TaskState::Ended(ending)),
            },
            Mark::Started(_) => Ok(TaskState::Lost),
            Mark::Nothing | Mark::Claimed if known.is_some() => Ok(TaskState::Lost),
            Mark::Nothing | Mark::Claimed => Err(Failure::Unknown(name.clone())),
        }
    }

    /// See [`stageway_ports::Executor::output`].
    pub(super) async fn output(
        &self,
        name: &TaskName,
        from: &Cursor,
        max: usize,
    ) -> Result<Response, Failure> {
        let offset = match from.0.as_str() {
            "" => 0,
            text => text
                .parse()
                .map_err(|_| Failure::Refused(format!("`{text}` is not a cursor of this executor")))?,
        };
        let living = self.living(name);
        if let Some(task) = &living {
            task.output.wait_beyond(offset, OUTPUT_WAITS).await;
        } else if matches!(self.record(name).mark().map_err(unreadable)?, Mark::Nothing | Mark::Claimed) {
            return Err(Failure::Unknown(name.clone()));
        }
        // Whether it is complete is asked before reading, so that nothing written in between is missed.
        let complete = living.is_none_or(|task| task.output.is_complete());
        let path = self.record(name).output();
        let max = max.clamp(1, OUTPUT);
        let bytes = blocking(move || output::read(&path, offset, max)).await.map_err(unreadable)?;
        let next = offset + bytes.len() as u64;
        let end = complete && bytes.len() < max;
        Ok(Response::Output { bytes: Bytes(bytes), offset, next: Cursor(next.to_string()), end })
    }

    /// See [`stageway_ports::Executor::cancel`].
    pub(super) fn cancel(&self, name: &TaskName, grace: Duration) -> Result<(), Failure> {
        match self.living(name) {
            Some(task) => {
                // The first one counts, so that repeating it does not prolong the grace.
                task.cancelled.send_if_modified(|given| match given {
                    Some(_) => false,
                    None => {
                        *given = Some(grace);
                        true
                    }
                });
                Ok(())
            }
            None => match self.record(name).mark().map_err(unreadable)? {
                Mark::Nothing | Mark::Claimed => Err(Failure::Unknown(name.clone())),
                Mark::Started(_) | Mark::Ended(..) => Ok(()),
            },
        }
    }

    /// See [`stageway_ports::Executor::forget`].
    pub(super) async fn forget(&self, name: &TaskName) -> Result<(), Failure> {
        if let Some(task) = self.living(name).filter(|task| task.ended.borrow().is_some()) {
            let _ = task.gone.subscribe().wait_for(|gone| *gone).await;
        }
        let (record, trash) = (self.record(name), self.trash());
        let one = self.claiming.lock().await;
        if self.living(name).is_some() {
            return Err(Failure::Refused(format!("the task `{name}` has not ended")));
        }
        let aside = blocking(move || record.put_aside(&trash)).await.map_err(unreadable)?;
        drop(one);
        blocking(move || aside.map_or(Ok(()), |aside| disk::remove_all(&aside))).await.map_err(unreadable)
    }

    /// See [`stageway_ports::Executor::sweep`].
    pub(super) fn sweep(&self) -> Result<Vec<TaskName>, Failure> {
        let entries = fs::read_dir(self.options.state.join(CLAIMS)).map_err(unreadable)?;
        let names = entries.flatten().filter_map(|entry| TaskName::new(entry.file_name().to_str()?).ok());
        let mut names: Vec<_> = names.collect();
        names.sort();
        Ok(names)
    }

    /// Takes a task from those that live. What is known of it from now on lies on the disk.
    pub(super) fn leave(&self, name: &TaskName) {
        self.tasks().remove(name);
    }

    /// Where things are moved before they are removed.
    pub(super) fn trash(&self) -> PathBuf {
        self.options.state.join("trash")
    }

    fn living(&self, name: &TaskName) -> Option<Arc<Task>> {
        self.tasks().get(name).cloned()
    }

    fn record(&self, name: &TaskName) -> Record {
        Record::of(&self.options.state.join(CLAIMS), name)
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskName, Arc<Task>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What claiming a task came to.
enum Claimed {
    /// It lives.
    Now(Arc<Task>),
    /// It was started, by whichever supervisor.
    Before(Incarnation),
}

fn dropped<T>(what: impl std::fmt::Display) -> Result<T, Failure> {
    Err(Failure::Unavailable(format!("the task was dropped: {what}")))
}

fn unreadable(error: io::Error) -> Failure {
    Failure::Unavailable(format!("the state directory cannot be used: {error}"))
}
