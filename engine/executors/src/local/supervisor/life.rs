//! The life of an vessel task: preparation, services, the process itself, and what stops it.

use super::disk::blocking;
use super::end;
use super::environment::Environment;
use super::machine::Machine;
use super::places::Place;
use super::proxy::Proxy;
use super::pump::{self, Style};
use super::services;
use super::site::Site;
use super::table::Table;
use super::task::Task;
use super::vessel::Vessel;
use crate::local::sandbox::{Exit, Gone, Order, ProcessOrder, Report};
use stageway_core::call::{Bytes, EndingReason};
use stageway_core::name::TenantId;
use stageway_core::task::{Process, TaskEnding, TaskSpec, TaskTimes};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};
use tokio::task::JoinHandle;

/// The number of the task's own process; services count from 1.
pub(super) const MAIN: u32 = 0;

/// The exit codes of a shell for a command that cannot be executed, and one that is not there.
const CANNOT_EXECUTE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// How long a process that ran into its timeout has after it was asked to end.
const TIMEOUT_GRACE: Duration = Duration::from_secs(5);

/// A living task.
pub(super) struct Life {
    pub table: Arc<Table>,
    pub task: Arc<Task>,
    pub spec: TaskSpec,
    pub secrets: BTreeMap<String, Bytes>,
    pub vessel: Vessel,
    pub times: TaskTimes,
    pub pumps: Vec<JoinHandle<()>>,
    /// The root of the task's own process, opened, once it has one.
    pub root: Option<OwnedFd>,
    pub proxy: Option<Proxy>,
    next: u32,
}

/// How the process ended, or why it never started.
#[derive(Debug)]
pub(super) struct Outcome {
    pub reason: EndingReason,
    pub code: Option<i32>,
    pub message: String,
    /// Whether the task's own process was ever started, so that there may be something to collect.
    pub ran: bool,
}

impl Outcome {
    /// It never started.
    pub(super) fn never(reason: EndingReason, message: impl Into<String>) -> Self {
        Self { reason, code: None, message: message.into(), ran: false }
    }

    /// Its command cannot be executed, as a shell tells it.
    fn not_started(message: String, missing: bool) -> Self {
        let code = Some(if missing { NOT_FOUND } else { CANNOT_EXECUTE });
        Self { reason: EndingReason::Exited, code, message, ran: true }
    }
}

impl From<Gone> for Outcome {
    fn from(gone: Gone) -> Self {
        Self::never(EndingReason::Lost, gone.to_string())
    }
}

impl Life {
    pub(super) fn new(
        table: Arc<Table>,
        task: Arc<Task>,
        spec: TaskSpec,
        secrets: BTreeMap<String, Bytes>,
        vessel: Vessel,
    ) -> Self {
        let times = TaskTimes::default();
        Self {
            table,
            task,
            spec,
            secrets,
            vessel,
            times,
            pumps: vec![],
            root: None,
            proxy: None,
            next: MAIN + 1,
        }
    }

    /// Lives it to its end, and answers what is left to be taken down.
    pub(super) async fn live(mut self, queued: Instant) -> (TaskEnding, Vessel) {
        let table = self.table.clone();
        let place = place(&table, &self.task, &self.spec.owner.tenant).await;
        self.times.queued_ms = milliseconds(queued.elapsed());
        let mut site = None;
        let outcome = match &place {
            Some(_) => self.run(&mut site).await.unwrap_or_else(|early| early),
            None => Outcome::never(EndingReason::Cancelled, "cancelled before it started"),
        };
        let ended = end::wind_up(self, site, outcome).await;
        drop(place);
        ended
    }

    async fn run(&mut self, site: &mut Option<Site>) -> Result<Outcome, Outcome> {
        let task = self.task.clone();
        let began = Instant::now();
        let prepared = unless_cancelled(&task, Site::prepare(&self.table, &self.task, &self.spec)).await;
        self.times.prepared_ms = milliseconds(began.elapsed());
        let site: &Site = site.insert(prepared?);
        self.proxy = Proxy::start(&self.spec.network, &self.vessel.init).await?;
        let (record, incarnation) = (task.record.clone(), self.vessel.incarnation.clone());
        // No process of the task is needed for its root, so the two are done at once.
        let (marked, built) = tokio::join!(
            blocking(move || record.start(&incarnation)),
            self.build(site, MAIN, &self.spec.process)
        );
        marked.map_err(|e| {
            Outcome::never(EndingReason::Unschedulable, format!("its start cannot be written down: {e}"))
        })?;
        match built? {
            Ok(root) => self.root = root,
            Err(problem) => return Ok(Outcome::not_started(problem, false)),
        }
        let began = Instant::now();
        let services = unless_cancelled(&task, services::start(self, site)).await;
        self.times.services_ms = milliseconds(began.elapsed());
        services?;
        self.run_process(site).await
    }

    async fn run_process(&mut self, site: &Site) -> Result<Outcome, Outcome> {
        let process = self.spec.process.clone();
        self.times.started_at_ms =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(milliseconds).unwrap_or_default();
        let began = Instant::now();
        let order = self.order(site, MAIN, &process, MAIN)?;
        let style = if self.spec.services.is_empty() { Style::Plain } else { Style::Lines(None) };
        if let Err((problem, missing)) = self.start(order, style).await? {
            return Ok(Outcome::not_started(problem, missing));
        }
        let outcome = self.wait().await;
        self.times.ran_ms = milliseconds(began.elapsed());
        outcome
    }

    /// Waits for the process, its timeout or its cancellation.
    async fn wait(&self) -> Result<Outcome, Outcome> {
        let timeout = Duration::from_millis(self.spec.limits.timeout_ms);
        let mut cancelled = self.task.cancelled.subscribe();
        let (reason, grace) = tokio::select! {
            exit = self.vessel.init.exited(MAIN) => return Ok(ended(exit?)),
            () = tokio::time::sleep(timeout) => (EndingReason::TimedOut, TIMEOUT_GRACE),
            grace = cancelled.wait_for(Option::is_some) => {
                (EndingReason::Cancelled, grace.ok().and_then(|grace| *grace).unwrap_or_default())
            }
        };
        self.vessel.init.order(Order::Terminate { process: MAIN }, None).await?;
        let exit = tokio::time::timeout(grace, self.vessel.init.exited(MAIN)).await;
        let code = match exit {
            Ok(Ok(Exit::Code(code))) => Some(code),
            _ => None,
        };
        Ok(Outcome { reason, code, message: String::new(), ran: true })
    }

    /// Builds the root of a process and answers it, opened; none without a sandbox. The inner error is the task's own.
    pub(super) async fn build(
        &self,
        site: &Site,
        number: u32,
        process: &Process,
    ) -> Result<Result<Option<OwnedFd>, String>, Outcome> {
        if self.spec.unconfined {
            return Ok(Ok(None));
        }
        let machine = Machine::look(&self.table.options.toolbox);
        let standing = number == MAIN && self.vessel.standing.as_ref() == Some(&machine);
        let root = site
            .root(&self.environment(site), number, process, (&machine, standing))
            .map_err(|problem| Outcome::never(EndingReason::Unschedulable, problem))?;
        match self.vessel.init.order(Order::Build { process: number, root }, None).await? {
            (Report::Built, root) => Ok(Ok(root)),
            (Report::Failed { problem }, _) => Ok(Err(problem)),
            (other, _) => Err(Gone(format!("it answered {other:?}")).into()),
        }
    }

    fn environment<'a>(&'a self, site: &'a Site) -> Environment<'a> {
        Environment { site, spec: &self.spec, secrets: &self.secrets, options: &self.table.options }
    }

    /// The order that starts a process in a root that was built, its own or another's.
    pub(super) fn order(
        &self,
        site: &Site,
        number: u32,
        process: &Process,
        root: u32,
    ) -> Result<ProcessOrder, Outcome> {
        let failed = |problem: String| Outcome::never(EndingReason::Unschedulable, problem);
        let environment = self.environment(site);
        let mut variables = environment.variables(process).map_err(failed)?;
        if let Some(proxy) = &self.proxy {
            proxy.add_variables(&mut variables);
        }
        Ok(ProcessOrder {
            process: number,
            arguments: environment.arguments(process),
            variables,
            directory: environment.directory(process),
            root,
            limits: self.vessel.group.process_limits(),
            last: number == MAIN,
        })
    }

    /// Starts a process with its output going to the task's, or says why it did not start and whether that is because the
    /// command is not there.
    pub(super) async fn start(
        &mut self,
        order: ProcessOrder,
        style: Style,
    ) -> Result<Result<(), (String, bool)>, Outcome> {
        let (pump, writer) = pump::pump(self.task.output.clone(), style).map_err(|e| {
            Outcome::never(EndingReason::Unschedulable, format!("its output cannot be taken: {e}"))
        })?;
        self.pumps.push(pump);
        match self.vessel.init.order(Order::Start(Box::new(order)), Some(writer)).await? {
            (Report::Started, _) => Ok(Ok(())),
            (Report::NotStarted { problem, missing }, _) => Ok(Err((problem, missing))),
            (other, _) => Err(Gone(format!("it answered {other:?}")).into()),
        }
    }

    /// A number that no process of the task has.
    pub(super) fn next_number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }
}

fn ended(exit: Exit) -> Outcome {
    let (reason, code, message) = match exit {
        Exit::Code(code) => (EndingReason::Exited, Some(code), String::new()),
        Exit::Signal(signal) => (EndingReason::Signalled, None, format!("ended by signal {signal}")),
    };
    Outcome { reason, code, message, ran: true }
}

/// A place among the tasks that run, unless the task is cancelled first; one that has to wait for it says so.
async fn place(table: &Table, task: &Task, tenant: &TenantId) -> Option<Place> {
    let coming = match table.places.ask(tenant) {
        Ok(place) => return Some(place),
        Err(coming) => coming,
    };
    let mut cancelled = task.cancelled.subscribe();
    task.queued.store(true, Ordering::Relaxed);
    let place = tokio::select! {
        place = coming => place.ok(),
        _ = cancelled.wait_for(Option::is_some) => None,
    };
    task.queued.store(false, Ordering::Relaxed);
    place
}

/// Does something unless the task is cancelled first.
async fn unless_cancelled<T>(
    task: &Task,
    work: impl Future<Output = Result<T, Outcome>>,
) -> Result<T, Outcome> {
    let mut cancelled = task.cancelled.subscribe();
    tokio::select! {
        done = work => done,
        _ = cancelled.wait_for(Option::is_some) => {
            Err(Outcome::never(EndingReason::Cancelled, "cancelled before it started"))
        }
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
