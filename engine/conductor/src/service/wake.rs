use stageway_core::name::{RepositoryId, TenantId};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// How the parts of a server wake each other, so that none has to look around for work.
#[derive(Debug, Default)]
pub struct Wake {
    /// A delivery was stored.
    pub intake: Notify,
    /// A run was admitted, or something about one is different.
    pub scheduler: Notify,
    /// There is something to tell a forge.
    pub reporter: Notify,
    /// A run has ended.
    pub follower: Notify,
    /// The default branch of a repository has another head: one of `moved`.
    pub(super) timetable: Notify,
    moved: Mutex<BTreeSet<(TenantId, RepositoryId)>>,
}

impl Wake {
    /// Tells that the default branch of a repository has another head, and so perhaps other schedules.
    pub(crate) fn default_moved(&self, tenant: &TenantId, repository: &RepositoryId) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        moved.insert((tenant.clone(), repository.clone()));
        self.timetable.notify_one();
    }

    /// The repositories that were told of since this was asked last.
    pub(super) fn moved(&self) -> BTreeSet<(TenantId, RepositoryId)> {
        std::mem::take(&mut *self.moved.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
