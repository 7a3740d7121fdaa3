//! The port [`Inbox`](crate::Inbox) over the same data.

mod deliveries;
mod heads;
mod port;
mod queue;
mod runs;

use crate::{Delivery, Moved, PendingStatus, RunKey};
use heads::Head;
use stageway_core::delivery::{Reference, Revision, StatusReport};
use stageway_core::name::{ReceiptId, RepositoryId, RunId};
use stageway_core::plan::Concurrency;
use stageway_core::run::RunStatus;
use std::collections::BTreeMap;

/// What came to a tenant from outside, and what goes back.
#[derive(Debug, Default)]
pub(super) struct Letters {
    deliveries: BTreeMap<u64, Kept>,
    heads: BTreeMap<(RepositoryId, Reference), Vec<Head>>,
    origins: BTreeMap<RunId, Origin>,
    statuses: BTreeMap<u64, Status>,
}

#[derive(Debug)]
struct Kept {
    delivery: Delivery,
    body: Vec<u8>,
    /// With the generation, and the head that was known before.
    moves: Vec<(Moved, u64, Option<Revision>)>,
    due: u64,
    fence: u64,
    claimed_until: u64,
}

#[derive(Debug)]
struct Origin {
    key: RunKey,
    revision: Revision,
    delivery: Option<ReceiptId>,
    concurrency: Option<Concurrency>,
    after: Option<RunId>,
    listened: bool,
}

#[derive(Debug)]
struct Status {
    repository: RepositoryId,
    revision: Revision,
    context: String,
    what: What,
    told: bool,
    closed: bool,
    attempts: u32,
    due: u64,
}

#[derive(Debug)]
enum What {
    Run(RunId),
    Fixed(StatusReport),
}

impl Kept {
    fn is_open(&self) -> bool {
        self.delivery.outcome.is_none()
    }

    fn is_free(&self, now: u64) -> bool {
        self.due <= now && self.claimed_until <= now
    }
}

/// Whether nothing more is to be told after this.
fn closes(pending: &PendingStatus) -> bool {
    match &pending.what {
        crate::Telling::Run { status, .. } => RunStatus::is_final(*status),
        crate::Telling::Fixed(_) => true,
    }
}
