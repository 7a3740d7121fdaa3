//! The real host, whose guests can be made to stand still.

use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Call, Reply};
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use stageway_host::Host;
use stageway_ports::{Calls, Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;

/// Runs guests as the host does, until one has made as many journaled calls as were allowed: there it stands still, so that a
/// test can drop what runs there.
pub(crate) struct Halting {
    host: Arc<Host>,
    /// 0 is never.
    after: AtomicU32,
    halted: watch::Sender<bool>,
}

impl Halting {
    pub(crate) fn new(host: Arc<Host>) -> Arc<Self> {
        Arc::new(Self { host, after: AtomicU32::new(0), halted: watch::Sender::new(false) })
    }

    /// Every guest stands still when the entry with this number was answered, before it is told; 0 takes that back.
    pub(crate) fn halt_after(&self, entry: u32) {
        self.halted.send_replace(false);
        self.after.store(entry, Ordering::SeqCst);
    }

    /// Returns when a guest stands still.
    pub(crate) async fn halted(&self) {
        // The sender lives as long as `self`, so waiting ends only with the value.
        let _ = self.halted.subscribe().wait_for(|halted| *halted).await;
    }
}

struct Through<'a> {
    calls: &'a mut dyn Calls,
    halting: &'a Halting,
}

#[async_trait]
impl Calls for Through<'_> {
    async fn call(&mut self, call: Call) -> Reply {
        let is_last =
            call.function.class().is_journaled() && call.seq == self.halting.after.load(Ordering::SeqCst);
        let reply = self.calls.call(call).await;
        if is_last {
            self.halting.halted.send_replace(true);
            std::future::pending::<()>().await;
        }
        reply
    }
}

#[async_trait]
impl Guests for Halting {
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
        self.host.inspect(bytes)
    }

    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
        self.host.prepare(bytes).await
    }

    fn is_prepared(&self, component: &Digest) -> bool {
        self.host.is_prepared(component)
    }

    async fn describe(&self, component: &Digest) -> Result<String, GuestError> {
        self.host.describe(component).await
    }

    async fn validate(
        &self,
        tenant: &TenantId,
        component: &Digest,
        configuration: &Json,
    ) -> Result<Vec<ConfigIssue>, GuestError> {
        self.host.validate(tenant, component, configuration).await
    }

    async fn run(&self, run: GuestRun, calls: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
        self.host.run(run, &mut Through { calls, halting: self }).await
    }
}
