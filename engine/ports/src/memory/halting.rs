use crate::{Calls, Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Call, Reply};
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::watch;

/// Other guests, whose instances and calls are counted, and which stand still at one of the calls, so that a test can drop what
/// runs there.
#[derive(Clone)]
pub struct HaltingGuests {
    guests: Arc<dyn Guests>,
    halt: Arc<Halt>,
}

#[derive(Default)]
struct Halt {
    live: AtomicUsize,
    calls: AtomicU64,
    at: AtomicU64,
    halted: watch::Sender<bool>,
}

/// The calls of one instance.
struct Counted<'a> {
    calls: &'a mut dyn Calls,
    halt: &'a Halt,
}

impl HaltingGuests {
    /// These guests, none of which stands still.
    pub fn new(guests: Arc<dyn Guests>) -> Self {
        Self { guests, halt: Arc::default() }
    }

    /// Instances that are in memory now.
    pub fn live(&self) -> usize {
        self.halt.live.load(Ordering::SeqCst)
    }

    /// Calls of all instances so far.
    pub fn calls(&self) -> u64 {
        self.halt.calls.load(Ordering::SeqCst)
    }

    /// Before the call with this number, counted from 1 over all instances, everything stands still: the call is never made,
    /// and [`HaltingGuests::halted`] returns. 0 takes that back.
    pub fn halt_at(&self, call: u64) {
        self.halt.halted.send_replace(false);
        self.halt.at.store(call, Ordering::SeqCst);
    }

    /// Returns when a guest stands still.
    pub async fn halted(&self) {
        // The sender lives as long as `self`, so waiting ends only with the value.
        let _ = self.halt.halted.subscribe().wait_for(|halted| *halted).await;
    }
}

impl<'a> Counted<'a> {
    fn new(calls: &'a mut dyn Calls, halt: &'a Halt) -> Self {
        halt.live.fetch_add(1, Ordering::SeqCst);
        Self { calls, halt }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.halt.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Calls for Counted<'_> {
    async fn call(&mut self, call: Call) -> Reply {
        let number = self.halt.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if number == self.halt.at.load(Ordering::SeqCst) {
            self.halt.halted.send_replace(true);
            std::future::pending::<()>().await;
        }
        self.calls.call(call).await
    }
}

#[async_trait]
impl Guests for HaltingGuests {
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
        self.guests.inspect(bytes)
    }

    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
        self.guests.prepare(bytes).await
    }

    fn is_prepared(&self, component: &Digest) -> bool {
        self.guests.is_prepared(component)
    }

    async fn describe(&self, component: &Digest) -> Result<String, GuestError> {
        self.guests.describe(component).await
    }

    async fn validate(
        &self,
        tenant: &TenantId,
        component: &Digest,
        configuration: &Json,
    ) -> Result<Vec<ConfigIssue>, GuestError> {
        self.guests.validate(tenant, component, configuration).await
    }

    async fn run(&self, run: GuestRun, calls: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
        self.guests.run(run, &mut Counted::new(calls, &self.halt)).await
    }
}
