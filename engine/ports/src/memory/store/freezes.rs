use super::MemoryStore;
use crate::{Freeze, FreezeEvent, Freezes, StoreError};
use async_trait::async_trait;
use stageway_core::name::{EnvironmentName, TenantId};
use std::collections::BTreeMap;

/// What of a tenant is frozen.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    /// None is the tenant itself.
    now: BTreeMap<Option<EnvironmentName>, Freeze>,
    /// Oldest first.
    events: Vec<FreezeEvent>,
}

impl Frozen {
    /// Whether the tenant itself is.
    pub(super) fn all(&self) -> bool {
        self.now.contains_key(&None)
    }

    pub(super) fn of(&self, environment: &EnvironmentName) -> Option<&Freeze> {
        self.now.get(&Some(environment.clone()))
    }
}

#[async_trait]
impl Freezes for MemoryStore {
    async fn freeze(&self, tenant: &TenantId, freeze: Freeze) -> Result<(), StoreError> {
        self.write(tenant, |tenant| {
            tenant.frozen.now.insert(freeze.environment.clone(), freeze.clone());
            tenant.frozen.events.push(FreezeEvent { frozen: true, what: freeze });
            tenant.changes += 1;
            Ok(())
        })
        .await
    }

    async fn thaw(&self, tenant: &TenantId, thaw: Freeze) -> Result<bool, StoreError> {
        self.write(tenant, |tenant| {
            let was = tenant.frozen.now.remove(&thaw.environment).is_some();
            if was {
                tenant.frozen.events.push(FreezeEvent { frozen: false, what: thaw });
                tenant.changes += 1;
            }
            Ok(was)
        })
        .await
    }

    async fn frozen(&self, tenant: &TenantId) -> Result<Vec<Freeze>, StoreError> {
        Ok(self.read(tenant, |tenant| tenant.frozen.now.values().cloned().collect()).await)
    }

    async fn freeze_events(&self, tenant: &TenantId, max: u32) -> Result<Vec<FreezeEvent>, StoreError> {
        let newest = |events: &[FreezeEvent]| events.iter().rev().take(max as usize).cloned().collect();
        Ok(self.read(tenant, |tenant| newest(&tenant.frozen.events)).await)
    }
}
