use stageway_core::name::TenantId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Who waits for a tenant's count of changes, and which counts are to be looked up.
#[derive(Debug, Default)]
pub(crate) struct Board {
    tenants: Mutex<BTreeMap<TenantId, Entry>>,
    work: Notify,
}

#[derive(Debug)]
struct Entry {
    due: bool,
    count: watch::Sender<u64>,
}

impl Board {
    fn tenants(&self) -> MutexGuard<'_, BTreeMap<TenantId, Entry>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was last looked up of a tenant, and whatever is looked up from now on: a look that begins after this is sure.
    pub(crate) fn watch(&self, tenant: &TenantId) -> watch::Receiver<u64> {
        let mut tenants = self.tenants();
        let new = || Entry { due: true, count: watch::Sender::new(0) };
        let entry = tenants.entry(tenant.clone()).or_insert_with(new);
        entry.due = true;
        self.work.notify_one();
        entry.count.subscribe()
    }

    /// Something of the tenant may have changed.
    pub(crate) fn mark(&self, tenant: &TenantId) {
        if let Some(entry) = self.tenants().get_mut(tenant) {
            entry.due = true;
            self.work.notify_one();
        }
    }

    /// Anything may have changed.
    pub(crate) fn mark_all(&self) {
        self.tenants().values_mut().for_each(|entry| entry.due = true);
        self.work.notify_one();
    }

    /// Whether anybody waits.
    pub(crate) fn is_watched(&self) -> bool {
        self.tenants().values().any(|entry| entry.count.receiver_count() > 0)
    }

    /// Resolves when something is to be looked up.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    /// Tenants to look up now. Those for whom nobody waits any more are forgotten.
    pub(crate) fn take_due(&self) -> Vec<TenantId> {
        let mut tenants = self.tenants();
        tenants.retain(|_, entry| entry.count.receiver_count() > 0);
        let due =
            |(tenant, entry): (&TenantId, &mut Entry)| std::mem::take(&mut entry.due).then(|| tenant.clone());
        tenants.iter_mut().filter_map(due).collect()
    }

    /// Wakes those for whom the count is news.
    pub(crate) fn tell(&self, tenant: &TenantId, count: u64) {
        if let Some(entry) = self.tenants().get(tenant) {
            entry.count.send_if_modified(|known| std::mem::replace(known, count) != count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_during_a_look_is_looked_up_again() {
        let (board, tenant) = (Board::default(), TenantId::local());
        let waiting = board.watch(&tenant);
        assert_eq!(board.take_due(), std::slice::from_ref(&tenant));
        board.mark(&tenant);
        board.tell(&tenant, 3);
        assert_eq!((*waiting.borrow(), board.take_due()), (3, vec![tenant.clone()]));
        assert_eq!(board.take_due(), []);
        board.mark_all();
        assert_eq!(board.take_due(), [tenant]);
    }

    #[test]
    fn tenants_for_whom_nobody_waits_are_forgotten() {
        let (board, tenant) = (Board::default(), TenantId::local());
        drop(board.watch(&tenant));
        board.mark(&tenant);
        assert_eq!((board.take_due(), board.tenants().len()), (vec![], 0));
    }
}
