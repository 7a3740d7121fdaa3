//! Registries by the names of connections.

use crate::config::Settings;
use anyhow::{Context, Result};
use async_trait::async_trait;
use stageway_conductor::engine::Registries;
use stageway_core::grant::SecretName;
use stageway_core::name::TenantId;
use stageway_core::operator::{Connection, EcrConnection, Login, RegistryConnection};
use stageway_core::policy::SecretRule;
use stageway_ports::{Registry, Secrets};
use stageway_remotes::registry::{
    Credentials, EcrConfig, EcrRegistry, EcrRole, LayoutRegistry, OciConfig, OciRegistry,
};
use stageway_remotes::secrets::DeclaredSecrets;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The name under which a password is asked for.
const PASSWORD: &str = "PASSWORD";

/// A connection, and the role in which it is used.
type NameAndRole = (String, Option<String>);

/// The connections of one installation.
pub(crate) struct Connections {
    settings: Arc<Settings>,
    /// Those of ECR by name and role, kept for their credentials and passwords, which cost calls of their own.
    ecr: Mutex<BTreeMap<NameAndRole, Arc<EcrRegistry>>>,
}

impl Connections {
    /// As the settings have them.
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self { settings, ecr: Mutex::default() }
    }

    /// The registry that a name means for a tenant; none where no connection has it.
    ///
    /// # Errors
    /// When it cannot be opened, such as for a password that is not there.
    pub(crate) async fn named(&self, tenant: &TenantId, name: &str) -> Option<Result<Arc<dyn Registry>>> {
        Some(match self.settings.connection(name)? {
            Connection::Layout(directory) => Ok(Arc::new(LayoutRegistry::new(directory))),
            Connection::Ecr(ecr) => Ok(self.ecr(tenant, name, ecr).await),
            Connection::Registry(registry) => {
                self.registry(&registry).await.map(|registry| Arc::new(registry) as Arc<dyn Registry>)
            }
        })
    }

    async fn registry(&self, connection: &RegistryConnection) -> Result<OciRegistry> {
        let credentials = match &connection.login {
            None => Credentials::Anonymous,
            Some(login) => credentials(login, &self.settings.folder).await?,
        };
        Ok(OciRegistry::new(OciConfig {
            address: connection.address.clone(),
            plain_http: connection.insecure,
            pull: connection.pull.clone(),
            credentials,
            staging: self.settings.state.join("cache/registry"),
        })?)
    }

    async fn ecr(&self, tenant: &TenantId, name: &str, connection: EcrConnection) -> Arc<EcrRegistry> {
        let role = connection.role_of(tenant).map(str::to_owned);
        let key = (name.to_owned(), role.clone());
        let mut kept = self.ecr.lock().await;
        if let Some(registry) = kept.get(&key) {
            return Arc::clone(registry);
        }
        let EcrConnection { account, region, external_id, create, .. } = connection;
        let config = EcrConfig {
            account,
            region,
            role: role.map(|arn| EcrRole { arn, external_id }),
            create,
            endpoint: None,
            staging: self.settings.state.join("cache/registry"),
        };
        let registry = Arc::new(EcrRegistry::open(config).await);
        kept.insert(key, Arc::clone(&registry));
        registry
    }
}

async fn credentials(login: &Login, folder: &Path) -> Result<Credentials> {
    let tenant = TenantId::local();
    let name: SecretName = PASSWORD.parse().context("the name of a password")?;
    let rule = SecretRule { from: login.password.clone(), to: BTreeSet::new() };
    let secrets = DeclaredSecrets::new(folder).with_tenant(&tenant, &BTreeMap::from([(name, rule)]));
    let password = secrets.value(&tenant, PASSWORD).await?;
    Ok(Credentials::Basic { username: login.user.clone(), password })
}

#[async_trait]
impl Registries for Connections {
    async fn open(&self, tenant: &TenantId, connection: &str) -> Option<Arc<dyn Registry>> {
        match self.named(tenant, connection).await? {
            Ok(registry) => Some(registry),
            Err(error) => {
                tracing::error!(connection.name = %connection, error = %format!("{error:#}"),
                    "a connection cannot be opened");
                None
            }
        }
    }
}
