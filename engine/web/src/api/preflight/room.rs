//! How many packs are read at once.

use stageway_core::name::TenantId;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for packs: each may hold the largest file that is taken in memory.
#[derive(Debug)]
pub(crate) struct Uploads {
    all: Arc<Semaphore>,
    /// One tenant leaves places to the others.
    of_tenant: BTreeMap<TenantId, Arc<Semaphore>>,
}

/// A place, as long as it is kept.
pub(super) struct Place {
    _all: OwnedSemaphorePermit,
    _of_tenant: OwnedSemaphorePermit,
}

impl Uploads {
    /// So many places over all tenants, and so many for each.
    pub(crate) fn new<'a>(all: usize, of_tenant: usize, tenants: impl Iterator<Item = &'a TenantId>) -> Self {
        let of_tenant = tenants.map(|tenant| (tenant.clone(), Arc::new(Semaphore::new(of_tenant)))).collect();
        Self { all: Arc::new(Semaphore::new(all)), of_tenant }
    }

    /// A place for a tenant, if one is free.
    pub(super) fn place(&self, tenant: &TenantId) -> Option<Place> {
        let of_tenant = self.of_tenant.get(tenant)?.clone().try_acquire_owned().ok()?;
        let all = self.all.clone().try_acquire_owned().ok()?;
        Some(Place { _all: all, _of_tenant: of_tenant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenant_leaves_places_to_the_others() {
        let [one, other, unknown] = ["one", "other", "unknown"].map(|name| TenantId::new(name).unwrap());
        let uploads = Uploads::new(3, 2, [&one, &other].into_iter());
        let first = uploads.place(&one).unwrap();
        let _second = uploads.place(&one).unwrap();
        assert!(uploads.place(&one).is_none() && uploads.place(&unknown).is_none());
        let _third = uploads.place(&other).unwrap();
        assert!(uploads.place(&other).is_none(), "all are taken");
        drop(first);
        assert!(uploads.place(&other).is_some());
    }
}
