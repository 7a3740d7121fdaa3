use super::lines::LogBudget;
use super::{Broken, Handles, Memory, Meter, Port};
use crate::link::{Refusal, Shape};
use crate::linking;
use crate::options::ComponentLimits;
use crate::wasi::Baseline;
use stageway_core::call::{Call, Function, HostError, Log, LogLevel};
use stageway_core::grant::Interface;
use stageway_core::run::Usage;
use stageway_ports::{GuestRun, Linking};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The state of one instance: what it holds, what it used up, and its way out.
pub(crate) struct Guest {
    pub(crate) handles: Handles,
    pub(crate) memory: Memory,
    pub(crate) wasi: Baseline,
    port: Port,
    meter: Arc<Meter>,
    denied: BTreeSet<String>,
    log: LogBudget,
    /// The last entry of the journal.
    seq: u32,
    /// Entries up to this one are replayed.
    replayed: u32,
    calls: u64,
    most_calls: u64,
}

/// What an instance starts with.
pub(crate) struct Start<'a> {
    pub(crate) run: &'a GuestRun,
    pub(crate) bounds: &'a ComponentLimits,
    pub(crate) port: Port,
    pub(crate) meter: Arc<Meter>,
}

impl Guest {
    pub(crate) fn new(start: Start<'_>) -> Self {
        let Start { run, bounds, port, meter } = start;
        let Linking { denied, .. } = &run.linking;
        Self {
            handles: Handles::new(),
            memory: Memory::new(run.limits.memory_bytes, bounds),
            wasi: Baseline::new(run.seed),
            port,
            meter,
            denied: denied.clone(),
            log: LogBudget::new(run.limits.log_bytes),
            seq: 0,
            replayed: run.replayed,
            calls: 0,
            most_calls: run.limits.host_calls,
        }
    }

    /// What it used up so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage {
            cpu_ms: u64::try_from(self.meter.spent().as_millis()).unwrap_or(u64::MAX),
            memory_bytes: self.memory.used(),
            calls: self.calls,
        }
    }

    /// The last entry of the journal: after `start`, the number of the task.
    pub(crate) fn seq(&self) -> u32 {
        self.seq
    }

    /// Counts a call of any import, also of one that does not cross.
    ///
    /// # Errors
    /// When the attempt has used up its calls.
    pub(crate) fn count(&mut self) -> wasmtime::Result<()> {
        self.calls += 1;
        if self.calls > self.most_calls {
            return Err(wasmtime::Error::new(Broken::limit("host-calls")));
        }
        Ok(())
    }

    /// Makes a call whose answer can be a failure.
    ///
    /// # Errors
    /// The failure, or the end of the instance. An answer of another shape than the function's is a fault of ours.
    pub(crate) async fn ask<T: Shape>(&mut self, function: Function) -> Result<T, Refusal> {
        self.count()?;
        let (interface, name) = function.name();
        self.refuse_denied(interface)?;
        if function.class().is_journaled() {
            self.seq = self.seq.checked_add(1).ok_or_else(|| Broken::limit("journal-entries"))?;
            self.wasi.time_may_have_moved();
        }
        self.meter.leave();
        let answer = self.port.call(Call { seq: self.seq, function }).await;
        self.meter.enter(self.seq >= self.replayed);
        T::from_value(answer??).ok_or_else(|| misfit(interface, name).into())
    }

    /// Makes a call whose answer cannot be a failure.
    ///
    /// # Errors
    /// The end of the instance; a failure where the contract has none is a fault of ours.
    pub(crate) async fn fact<T: Shape>(&mut self, function: Function) -> wasmtime::Result<T> {
        let (interface, name) = function.name();
        self.ask(function).await.map_err(|refusal| match refusal {
            Refusal::Answer(_) => wasmtime::Error::new(misfit(interface, name)),
            Refusal::Broken(error) => error,
        })
    }

    /// Writes to the log, within its limit.
    ///
    /// # Errors
    /// The end of the instance.
    pub(crate) async fn log(&mut self, level: LogLevel, message: &str) -> wasmtime::Result<()> {
        match self.log.admit(message) {
            Some(message) => self.fact(Function::Log(Log::Write { level, message })).await,
            None => self.count(),
        }
    }

    fn refuse_denied(&self, interface: &str) -> Result<(), HostError> {
        match Interface::of(interface) {
            Some(known) if self.denied.contains(interface) => {
                Err(HostError::Denied(linking::not_granted(known)))
            }
            _ => Ok(()),
        }
    }
}

/// A fault of ours: the answer has another shape than the function.
fn misfit(interface: &str, function: &str) -> Broken {
    Broken::fault(format!("the answer to `{interface}.{function}` has another shape than the contract says"))
}
