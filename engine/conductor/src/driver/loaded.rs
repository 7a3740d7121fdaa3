use super::DriveError;
use stageway_core::name::{RunId, TenantId};
use stageway_core::plan::Plan;
use stageway_core::run::RunState;
use stageway_ports::Store;
use std::sync::Arc;

/// A run as the store has it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Counts the tenant's runs from 1.
    pub number: u64,
    /// The frozen plan.
    pub plan: Arc<Plan>,
    /// The fold of its events.
    pub state: RunState,
    /// How many events there are.
    pub version: u64,
    /// The wish for its end: who, why, when.
    pub cancel: Option<(String, String, u64)>,
}

/// Reads a run and folds it.
///
/// # Errors
/// [`DriveError::Unknown`], [`DriveError::Unreadable`] and [`DriveError::Store`].
pub async fn load(store: &dyn Store, tenant: &TenantId, run: &RunId) -> Result<Loaded, DriveError> {
    let record = store.run(tenant, run).await?.ok_or_else(|| DriveError::Unknown(run.clone()))?;
    let plan: Plan = serde_json::from_value(record.plan)
        .map_err(|e| DriveError::Unreadable { run: run.clone(), problem: e.to_string() })?;
    let state = RunState::fold(plan.stages.keys(), &record.events);
    let (number, version, cancel) = (record.number, record.version, record.cancel);
    Ok(Loaded { number, plan: Arc::new(plan), state, version, cancel })
}
