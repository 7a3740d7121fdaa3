use crate::{Batch, NewRun, Store, Writer};
use async_trait::async_trait;
use stageway_core::call::{Clock, Function, LogLevel, Value};
use stageway_core::digest::Digest;
use stageway_core::journal::{Entry, Record};
use stageway_core::log::{Line, Origin};
use stageway_core::name::{EnvironmentName, PipelineName, RunId, StageName, TenantId};
use stageway_core::run::{RunEvent, RunStatus};
use std::sync::Arc;

/// One set of data, empty at first.
#[async_trait]
pub trait StoreFixture: Send + Sync {
    /// A handle of its own to the same data, as another process would open it.
    async fn open(&self) -> Arc<dyn Store>;
}

pub(super) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(super) fn run_id(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

pub(super) fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

pub(super) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name).unwrap()
}

pub(super) fn pipeline(name: &str) -> PipelineName {
    PipelineName::new(name).unwrap()
}

pub(in crate::contract) fn new_run(id: &str) -> NewRun {
    NewRun {
        id: run_id(id),
        pipeline: pipeline("shop"),
        plan: serde_json::json!({"of": id}),
        at: 1_000,
        events: vec![RunEvent::Created {
            at: 1_000,
            plan: Digest::of(id.as_bytes()),
            tree: Digest::of(b"tree"),
        }],
    }
}

/// A run of the tenant `one` that is leased.
pub(super) async fn leased(store: &dyn Store, id: &str) -> Writer {
    leased_by(store, &tenant("one"), id).await
}

pub(super) async fn leased_by(store: &dyn Store, tenant: &TenantId, id: &str) -> Writer {
    store.create_run(tenant, new_run(id)).await.unwrap();
    lease(store, tenant, id).await
}

/// Takes the run from whoever holds it.
pub(super) async fn lease(store: &dyn Store, tenant: &TenantId, id: &str) -> Writer {
    let run = run_id(id);
    let lease = store.lease(tenant, &run, "contract", 2_000, 60_000, true).await.unwrap().unwrap();
    Writer { tenant: tenant.clone(), run, fence: lease.fence }
}

pub(super) fn started(name: &str) -> RunEvent {
    RunEvent::AttemptStarted { at: 1_100, stage: stage(name), attempt: 1 }
}

pub(super) fn ended(status: RunStatus) -> RunEvent {
    RunEvent::Ended { at: 1_900, status }
}

pub(super) fn events(expected: u64, events: Vec<RunEvent>) -> Batch {
    Batch { expected, events, ..Batch::default() }
}

/// Entry `seq` of attempt 1 of the stage `build`; `value` makes its contents differ.
pub(super) fn entry(seq: u32, value: u32) -> (StageName, u32, Record) {
    let call = Function::Clock(Clock::Sleep { milliseconds: value });
    let entry = Entry { seq, at: 1_000, call, answer: Ok(Value::Done) };
    (stage("build"), 1, Record::Entry(Box::new(entry)))
}

pub(super) fn records(records: Vec<(StageName, u32, Record)>) -> Batch {
    Batch { records, ..Batch::default() }
}

pub(super) fn line(origin: Origin, text: &str) -> Line {
    Line {
        stage: Some(stage("build")),
        attempt: 1,
        at: 1_000,
        level: LogLevel::Info,
        origin,
        text: text.to_owned(),
    }
}

pub(super) fn plugin_line(seq: u32, ordinal: u32, text: &str) -> Line {
    line(Origin::Plugin { seq, ordinal }, text)
}

pub(super) fn lines(lines: Vec<Line>) -> Batch {
    Batch { lines, ..Batch::default() }
}
