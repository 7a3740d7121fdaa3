//! Guests written in WebAssembly text against the contract, and a host to run them on.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test binary uses a part of it"
)]

pub mod guest;

pub use guest::Plugin;

use serde_json::{Value as Json, json};
use stageway_core::limits::AttemptLimits;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use stageway_host::{CompileBy, Host, HostOptions};
use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{Calls, GuestEnd, GuestError, GuestRun, Guests, Linking};
use tempfile::TempDir;

/// A host with a directory of its own.
pub struct Bench {
    pub host: Host,
    pub directory: TempDir,
}

impl Bench {
    /// Compiles in this process.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut HostOptions)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut options = HostOptions::new(directory.path(), CompileBy::InProcess);
        options.instances = 8;
        change(&mut options);
        Self { host: Host::new(options).unwrap(), directory }
    }

    /// Prepares and runs, everything granted.
    pub async fn run(&self, plugin: &Plugin, calls: &mut dyn Calls) -> (GuestEnd, Usage) {
        self.run_with(plugin, calls, |_| {}).await.unwrap()
    }

    pub async fn run_with(
        &self,
        plugin: &Plugin,
        calls: &mut dyn Calls,
        change: impl FnOnce(&mut GuestRun),
    ) -> Result<(GuestEnd, Usage), GuestError> {
        let component = self.host.prepare(&plugin.encode()).await?;
        let mut run = GuestRun {
            tenant: TenantId::local(),
            component,
            linking: everything(),
            limits: AttemptLimits { cpu_ms: 300, wall_ms: 20_000, ..AttemptLimits::default() },
            configuration: json!({}),
            seed: [7; 32],
            replayed: 0,
        };
        change(&mut run);
        self.host.run(run, calls).await
    }

    /// A guest that does nothing wrong still runs.
    pub async fn neighbour_is_well(&self) {
        let (end, _) = self.run(&Plugin::echo(), &mut ScriptedCalls::default()).await;
        assert_eq!(end, GuestEnd::Succeeded(json!({})));
    }
}

/// Every interface.
pub fn everything() -> Linking {
    let names = [
        "workspace",
        "artifacts",
        "source",
        "tasks",
        "images",
        "http",
        "secrets",
        "environments",
        "approvals",
        "cluster",
    ];
    Linking { granted: names.map(str::to_owned).into(), denied: [].into() }
}

/// The outputs of a guest that succeeded.
pub fn outputs(end: GuestEnd) -> Json {
    match end {
        GuestEnd::Succeeded(outputs) => outputs,
        end => panic!("it did not succeed: {end:?}"),
    }
}
