use crate::StoreError;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use stageway_core::name::{EnvironmentName, TenantId};

/// Something that stands still because a person said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Freeze {
    /// The environment; none is the whole tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

impl Freeze {
    /// Who and why, in words.
    pub fn in_words(&self) -> String {
        let Self { by, reason, .. } = self;
        if reason.is_empty() { format!("frozen by {by}") } else { format!("frozen by {by}: {reason}") }
    }
}

/// That something was frozen or thawed. Such events are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FreezeEvent {
    /// Whether it was frozen then; else it was thawed.
    pub frozen: bool,
    /// What, why, who and when.
    #[serde(flatten)]
    pub what: Freeze,
}

/// What people have frozen. While a tenant is frozen its queued runs stay queued; while an environment is frozen nobody takes
/// its lock ([`ClaimAnswer::Frozen`](crate::ClaimAnswer)). Nothing is dropped. It shares its transactions with the
/// [`Store`](crate::Store).
#[async_trait]
pub trait Freezes: Send + Sync {
    /// Freezes. What is frozen already stays so, for the new reason.
    async fn freeze(&self, tenant: &TenantId, freeze: Freeze) -> Result<(), StoreError>;

    /// Thaws what the event names; answers whether it was frozen. Where it was not, nothing is written.
    async fn thaw(&self, tenant: &TenantId, thaw: Freeze) -> Result<bool, StoreError>;

    /// What is frozen now: the tenant first, then its environments by name.
    async fn frozen(&self, tenant: &TenantId) -> Result<Vec<Freeze>, StoreError>;

    /// What happened, newest first.
    async fn freeze_events(&self, tenant: &TenantId, max: u32) -> Result<Vec<FreezeEvent>, StoreError>;
}
