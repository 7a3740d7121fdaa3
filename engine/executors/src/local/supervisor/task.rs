//! What the supervisor holds of a task that lives.

use super::output::Output;
use super::record::Record;
use crate::local::protocol::Failure;
use stageway_core::name::TaskName;
use stageway_core::task::TaskEnding;
use stageway_ports::Incarnation;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::watch;

/// A task that lives.
pub(super) struct Task {
    /// Its key.
    pub name: TaskName,
    /// Its directory.
    pub record: Record,
    /// Set once: its identity, or why there will be none.
    pub claimed: watch::Sender<Option<Result<Incarnation, Failure>>>,
    /// While it waits for a place among those that run.
    pub queued: AtomicBool,
    /// Set once, after it is durable.
    pub ended: watch::Sender<Option<Arc<TaskEnding>>>,
    /// Set when nothing of it is left in this process.
    pub gone: watch::Sender<bool>,
    /// Set when it was cancelled, with the grace.
    pub cancelled: watch::Sender<Option<Duration>>,
    /// What it wrote.
    pub output: Arc<Output>,
}

impl Task {
    /// One that was just claimed.
    pub(super) fn new(name: &TaskName, record: Record, output: Output) -> Self {
        Self {
            name: name.clone(),
            record,
            claimed: watch::Sender::new(None),
            queued: AtomicBool::new(false),
            ended: watch::Sender::new(None),
            gone: watch::Sender::new(false),
            cancelled: watch::Sender::new(None),
            output: Arc::new(output),
        }
    }
}
