//! The mirrors of the registered repositories, below the state directory.

use super::site::secret;
use crate::config::Settings;
use async_trait::async_trait;
use stageway_core::name::{RepositoryId, TenantId};
use stageway_ports::{Blobs, Mirror, Mirrors, SourceError};
use stageway_remotes::source::{GitMirror, Remote};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Mirrors are opened when they are first asked for.
pub(crate) struct LocalMirrors {
    settings: Arc<Settings>,
    blobs: Arc<dyn Blobs>,
    open: Mutex<HashMap<(TenantId, RepositoryId), Arc<GitMirror>>>,
}

impl LocalMirrors {
    /// None is open yet.
    pub(crate) fn new(settings: Arc<Settings>, blobs: Arc<dyn Blobs>) -> Self {
        Self { settings, blobs, open: Mutex::default() }
    }
}

#[async_trait]
impl Mirrors for LocalMirrors {
    async fn open(
        &self,
        tenant: &TenantId,
        repository: &RepositoryId,
    ) -> Result<Arc<dyn Mirror>, SourceError> {
        let registered = self.settings.service.repositories.get(repository);
        let registered = registered.filter(|found| found.tenant == *tenant);
        let absent = || SourceError::NotFound(format!("repository `{repository}`"));
        let registered = registered.ok_or_else(absent)?;
        let key = (tenant.clone(), repository.clone());
        let mut open = self.open.lock().await;
        if let Some(mirror) = open.get(&key) {
            return Ok(mirror.clone());
        }
        let login = match &registered.login {
            None => None,
            Some(login) => {
                let password = secret(&self.settings, &login.password).await;
                let password = password.map_err(|error| SourceError::Unavailable(format!("{error:#}")))?;
                Some((login.user.clone(), password))
            }
        };
        let directory =
            self.settings.state.join("mirrors").join(tenant.as_str()).join(format!("{repository}.git"));
        let remote = Remote { address: registered.clone.clone(), login };
        let mirror = Arc::new(GitMirror::open(&directory, remote, self.blobs.clone()).await?);
        open.insert(key, mirror.clone());
        Ok(mirror)
    }
}
