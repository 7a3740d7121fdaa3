//! Telling forges how runs stand: in order for each commit, and again until they know.

use super::{Place, Site, Wake};
use futures::stream::{StreamExt as _, iter};
use stageway_core::delivery::{ReportState, StatusReport};
use stageway_core::plan::Backoff;
use stageway_core::run::RunStatus;
use stageway_ports::{Clock, Inbox, PendingStatus, Retry, StoreError, Telling};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Statuses of one look.
const TOGETHER: u32 = 200;
/// Repositories that are told at the same time.
const AT_ONCE: usize = 8;
/// Without anybody waking us; tries that failed before are due again then.
const LOOK: Duration = Duration::from_secs(5);
/// Between failed tries.
const PAUSE: Backoff = Backoff { first_ms: 2_000, most_ms: 600_000 };
/// Between tries to note what a forge was told, and how many there are. What is not noted stays claimed by us where several
/// servers share a database, and what follows it waits.
const NOTE_AGAIN: Duration = Duration::from_secs(1);
const MOST_NOTES: u32 = 60;
/// A forge that did not take a status so often does not get it: at the longest pause some three days.
const MOST_TRIES: u32 = 450;

/// Tells forges.
pub struct Reporter {
    /// What the operator registered.
    pub site: Arc<Site>,
    /// What is to be told.
    pub inbox: Arc<dyn Inbox>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Who wakes us.
    pub wake: Arc<Wake>,
}

impl Reporter {
    /// Works until it is dropped; what was not told then is told by the next.
    pub async fn work(&self) {
        loop {
            match self.look().await {
                // There may be more.
                Ok(told) if told > 0 => continue,
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "what forges are to be told cannot be read"),
            }
            let _ = tokio::time::timeout(LOOK, self.wake.reporter.notified()).await;
        }
    }

    /// Tells everything that is due; answers how much it tried.
    ///
    /// # Errors
    /// The store's.
    pub async fn look(&self) -> Result<usize, StoreError> {
        let pending = self.inbox.pending(self.clock.now_ms(), TOGETHER).await?;
        let count = pending.len();
        let mut lanes: BTreeMap<_, Vec<PendingStatus>> = BTreeMap::new();
        for one in pending {
            lanes.entry((one.tenant.clone(), one.repository.clone())).or_default().push(one);
        }
        iter(lanes.into_values()).for_each_concurrent(AT_ONCE, |lane| self.lane(lane)).await;
        Ok(count)
    }

    async fn lane(&self, lane: Vec<PendingStatus>) {
        for pending in lane {
            if let Err(error) = self.tell(&pending).await {
                tracing::error!(tenant.id = %pending.tenant, %error, "it cannot be noted that a forge was told");
                return;
            }
        }
    }

    async fn tell(&self, pending: &PendingStatus) -> Result<(), StoreError> {
        let place = self.site.place(&pending.tenant, &pending.repository);
        let Some(Place { repository, forge, .. }) = place.filter(|place| place.reports) else {
            return self.note(pending, Noted::Untold(None)).await;
        };
        let report = self.report(pending);
        let noted = match forge.report(&repository.name, &pending.revision, &report).await {
            Ok(()) => Noted::Told,
            Err(error) => {
                let due = match error.retry() {
                    Retry::Never => None,
                    _ if pending.attempts >= MOST_TRIES => None,
                    Retry::Later { after_ms } => Some(after_ms),
                    Retry::Now => Some(None),
                };
                let due = due.map(|after| {
                    self.clock
                        .now_ms()
                        .saturating_add(after.unwrap_or_else(|| PAUSE.after(pending.attempts + 1)))
                });
                tracing::warn!(
                    tenant.id = %pending.tenant, repository.id = %pending.repository, attempts = pending.attempts,
                    again = due.is_some(), %error, "a forge was not told a status"
                );
                Noted::Untold(due)
            }
        };
        self.note(pending, noted).await
    }

    /// Notes what became of a status, as soon as the store answers.
    async fn note(&self, pending: &PendingStatus, noted: Noted) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            let done = match noted {
                Noted::Told => self.inbox.told(pending).await,
                Noted::Untold(due) => self.inbox.untold(pending, due).await,
            };
            match done {
                Err(StoreError::Storage(problem)) if tries < MOST_NOTES => {
                    tracing::warn!(tenant.id = %pending.tenant, %problem, "it is noted later that a forge was told");
                }
                done => return done,
            }
            tries += 1;
            tokio::time::sleep(NOTE_AGAIN).await;
        }
    }

    fn report(&self, pending: &PendingStatus) -> StatusReport {
        match &pending.what {
            Telling::Fixed(report) => report.clone(),
            Telling::Run { number, status, .. } => StatusReport {
                context: pending.context.clone(),
                state: state(*status),
                description: format!("run {number} {}", words(*status)),
                link: self.site.link(&pending.tenant, *number),
            },
        }
    }
}

/// What became of a status.
#[derive(Debug, Clone, Copy)]
enum Noted {
    Told,
    /// It is due again then, or never.
    Untold(Option<u64>),
}

fn state(status: RunStatus) -> ReportState {
    match status {
        RunStatus::Queued => ReportState::Pending,
        RunStatus::Running | RunStatus::Waiting => ReportState::Running,
        RunStatus::Succeeded => ReportState::Succeeded,
        RunStatus::Failed => ReportState::Failed,
        RunStatus::Errored => ReportState::Errored,
        RunStatus::Cancelled => ReportState::Cancelled,
        RunStatus::Skipped => ReportState::Skipped,
    }
}

fn words(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Queued => "is queued",
        RunStatus::Running => "is running",
        RunStatus::Waiting => "is waiting",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Errored => "errored: it could not be told whether the work is good",
        RunStatus::Cancelled => "was cancelled",
        RunStatus::Skipped => "was skipped",
    }
}
