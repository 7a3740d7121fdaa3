//! How a request names a run: by its number or by its id.

use crate::app::App;
use crate::problem::Problem;
use serde::Deserialize;
use stageway_conductor::driver::{Loaded, load};
use stageway_core::name::{NameError, RunId, TenantId};
use stageway_ports::{RunFilter, RunSummary};

/// A run of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) enum RunName {
    Number(u64),
    Id(RunId),
}

impl TryFrom<String> for RunName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        // Ids begin with digits too, but have more of them than a number.
        match text.parse() {
            Ok(number) if text.len() < 16 => Ok(Self::Number(number)),
            _ => RunId::new(text).map(Self::Id),
        }
    }
}

/// The address of a run.
#[derive(Deserialize)]
pub(super) struct RunAt {
    pub(super) run: RunName,
}

impl RunName {
    /// The run as lists show it.
    ///
    /// # Errors
    /// When the tenant has none of that name.
    pub(super) async fn find(&self, app: &App, tenant: &TenantId) -> Result<RunSummary, Problem> {
        let number = match self {
            Self::Number(number) => *number,
            Self::Id(id) => app.store().run(tenant, id).await?.ok_or_else(Problem::not_there)?.number,
        };
        let filter = RunFilter { before: number.checked_add(1), max: 1, ..RunFilter::default() };
        let found = app.store().runs(tenant, &filter).await?.pop();
        found.filter(|run| run.number == number).ok_or_else(Problem::not_there)
    }

    /// The run's id.
    ///
    /// # Errors
    /// When the tenant has none of that name.
    pub(super) async fn id(&self, app: &App, tenant: &TenantId) -> Result<RunId, Problem> {
        Ok(self.find(app, tenant).await?.id)
    }

    /// The run with its plan and where it stands.
    ///
    /// # Errors
    /// When the tenant has none of that name, or it cannot be read.
    pub(super) async fn load(&self, app: &App, tenant: &TenantId) -> Result<(RunId, Loaded), Problem> {
        let id = match self {
            Self::Id(id) => id.clone(),
            Self::Number(_) => self.id(app, tenant).await?,
        };
        let loaded = load(app.store(), tenant, &id).await?;
        Ok((id, loaded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_are_told_apart() {
        let name = |text: &str| RunName::try_from(text.to_owned());
        assert_eq!(name("12"), Ok(RunName::Number(12)));
        let id = "01JCXYZABCDEFGHJKMNPQRSTVW";
        assert_eq!(name(id), Ok(RunName::Id(id.parse().unwrap())));
        assert!(matches!(name("01234567890123456789012345"), Ok(RunName::Id(_))));
        assert!(name("a b").is_err() && name("").is_err());
    }
}
