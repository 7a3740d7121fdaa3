use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// What goes wrong at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// [`StoreError::Storage`](crate::StoreError::Storage) is answered and nothing written; the next write goes well.
    Refuse,
    /// The process dies before the write: nothing is written.
    CrashBefore,
    /// The process dies after the write: it is durable, and nobody learns that.
    CrashAfter,
}

/// The faults of one handle, by the number of the write.
#[derive(Debug)]
pub(super) struct Faults {
    plan: Mutex<Plan>,
    crashed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Plan {
    writes: u64,
    at: BTreeMap<u64, Fault>,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self { plan: Mutex::default(), crashed: watch::Sender::new(false) }
    }

    pub(super) fn set(&self, write: u64, fault: Fault) {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).at.insert(write, fault);
    }

    pub(super) fn writes(&self) -> u64 {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).writes
    }

    /// Counts one more write and answers what goes wrong with it.
    pub(super) fn next(&self) -> Option<Fault> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.writes += 1;
        let number = plan.writes;
        plan.at.remove(&number)
    }

    /// Never returns once the process is dead, as a call of a dead process does not.
    pub(super) async fn alive(&self) {
        if *self.crashed.borrow() {
            std::future::pending().await
        }
    }

    pub(super) async fn die(&self) -> ! {
        self.crashed.send_replace(true);
        std::future::pending().await
    }

    pub(super) async fn crashed(&self) {
        let mut crashed = self.crashed.subscribe();
        // The sender lives as long as `self`, so waiting ends only with the value.
        let _ = crashed.wait_for(|crashed| *crashed).await;
    }
}
