//! Driving one run on this machine: its lock, its lease, its screen, and what Ctrl-C means.

use super::{Home, Interrupts, RunLock};
use crate::exit::{Exit, Refused};
use crate::terminal::Screen;
use anyhow::Result;
use rustix::system::uname;
use stageway_conductor::driver::drive as conduct;
use stageway_conductor::engine::Engine;
use stageway_core::name::RunId;
use stageway_core::run::RunStatus;
use stageway_ports::{Lease, Writer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two tries to have a lease that another machine may hold.
const AGAIN: Duration = Duration::from_millis(500);
/// For how much longer than a lease lasts that is tried.
const LATE_MS: u64 = 1_000;

/// A run that is about to be driven.
pub(crate) struct Driving<'a> {
    /// The state.
    pub(crate) home: &'a Home,
    /// Its ports and rules.
    pub(crate) engine: Arc<Engine>,
    /// Which.
    pub(crate) run: &'a RunId,
    /// Its number, for words.
    pub(crate) number: u64,
    /// The right to drive it on this machine.
    pub(crate) lock: RunLock,
    /// Where it is said what happens.
    pub(crate) screen: Arc<Screen>,
    /// Who sits at the terminal.
    pub(crate) by: String,
}

/// How the driving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// The run has ended.
    Ended(RunStatus),
    /// It was left, and can be resumed.
    Left,
}

/// Drives a run to its end. The first Ctrl-C (or SIGTERM) cancels it, with the grace period; the second leaves it.
///
/// # Errors
/// [`Refused`] when another machine holds the run; the driver's own errors.
pub(crate) async fn drive(driving: Driving<'_>) -> Result<Over> {
    let Driving { home, engine, run, number, lock, screen, by } = driving;
    let lease = lease(home, &engine, run).await?;
    let writer = Writer { tenant: home.tenant.clone(), run: run.clone(), fence: lease.fence };
    let grace = engine.rules.grace_ms / 1000;
    let mut driven = std::pin::pin!(conduct(engine.clone(), writer, lease, None));
    let mut interrupts = Interrupts::new()?;
    let mut asked = false;
    loop {
        tokio::select! {
            over = &mut driven => {
                screen.finish();
                let status = over?;
                lock.forget();
                return Ok(Over::Ended(status));
            }
            () = interrupts.next() => {
                if asked {
                    screen.notice(format!("left; `stageway resume {number}` goes on where it is"));
                    screen.finish();
                    return Ok(Over::Left);
                }
                asked = true;
                screen.notice(format!("cancelling: stages have {grace} s to end; Ctrl-C again leaves the run as it is"));
                let now = engine.clock.now_ms();
                home.store.request_cancel(&home.tenant, run, &by, "interrupted at the terminal", now).await?;
            }
        }
    }
}

/// The lease. Where the database is this machine's alone, by force: whoever held it is dead, because we hold the lock. Else the one
/// of before may be another machine's, and lasts as long as that renews it.
async fn lease(home: &Home, engine: &Engine, run: &RunId) -> Result<Lease> {
    let holder = format!("stageway {} {}", uname().nodename().to_string_lossy(), std::process::id());
    let patience = Duration::from_millis(engine.rules.lease_ms.saturating_add(LATE_MS));
    let begun = Instant::now();
    loop {
        let now = engine.clock.now_ms();
        let until = now.saturating_add(engine.rules.lease_ms);
        let lease = home.store.lease(&home.tenant, run, &holder, now, until, !home.is_shared).await?;
        match lease {
            Some(lease) => return Ok(lease),
            None if begun.elapsed() < patience => tokio::time::sleep(AGAIN).await,
            None => {
                let remedy = "`stageway cancel` ends it there; `stageway show` shows how far it is";
                let message = format!("run {run} is driven on another machine");
                return Err(Refused::new(Exit::Errored, message, remedy).into());
            }
        }
    }
}
