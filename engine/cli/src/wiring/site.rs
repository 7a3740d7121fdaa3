//! What the operator registered, with its secrets and its connections to forges.

use crate::config::Settings;
use crate::exit::{Exit, Refused};
use anyhow::{Context, Result};
use stageway_conductor::service::{Hook, Place, Site, TenantRules};
use stageway_core::grant::SecretName;
use stageway_core::name::TenantId;
use stageway_core::operator::{ForgeCredentials, ForgeEntry, Tenant, TraceReceiver, Webhook};
use stageway_core::policy::{Policy, SecretRule, SecretSource};
use stageway_ports::{Forge, Http, SecretValue, Secrets};
use stageway_remotes::forge::{ForgeConnection, connect, public_api};
use stageway_remotes::http::EgressHttp;
use stageway_remotes::otlp::{OtlpConnection, OtlpTraces};
use stageway_remotes::registry::Credentials;
use stageway_remotes::secrets::DeclaredSecrets;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The name under which a value is asked for.
const NAME: &str = "VALUE";

/// A value of the operator's own.
///
/// # Errors
/// When it is not there.
pub(crate) async fn secret(settings: &Settings, from: &SecretSource) -> Result<SecretValue> {
    let tenant = TenantId::local();
    let name: SecretName = NAME.parse().context("the name of a secret")?;
    let rule = SecretRule { from: from.clone(), to: BTreeSet::new() };
    let secrets =
        DeclaredSecrets::new(&settings.folder).with_tenant(&tenant, &BTreeMap::from([(name, rule)]));
    Ok(secrets.value(&tenant, NAME).await?)
}

/// Everything that is registered. Disabled webhooks are left out.
///
/// # Errors
/// [`Refused`] when a secret is not there or a forge's address is none.
pub(crate) async fn site(settings: &Settings, http: &Arc<dyn Http>) -> Result<Site> {
    let service = &settings.service;
    let mut forges = BTreeMap::new();
    for (name, entry) in &service.forges {
        let forge = forge(settings, entry, http).await;
        forges.insert(name.clone(), forge.with_context(|| format!("forge `{name}`"))?);
    }
    let mut site = Site { pages: service.pages.clone(), ..Site::default() };
    for tenant in service.tenant_names() {
        let said = service.tenants.get(&tenant);
        let policy = settings.policies.get(&tenant).unwrap_or(&settings.policy).clone();
        site.tenants.insert(tenant, tenant_rules(policy, said));
    }
    for (id, repository) in &service.repositories {
        let Some(forge) = forges.get(&repository.forge) else { continue };
        let reports = service.forges[&repository.forge].credentials.is_some();
        let place = Place { repository: repository.clone(), forge: forge.clone(), reports };
        site.repositories.insert((repository.tenant.clone(), id.clone()), place);
    }
    for (id, webhook) in service.webhooks.iter().filter(|(_, webhook)| webhook.enabled) {
        let hook = hook(settings, webhook, &forges).await.with_context(|| format!("webhook `{id}`"))?;
        site.webhooks.extend(hook.map(|hook| (id.clone(), hook)));
    }
    Ok(site)
}

/// What holds for a tenant of which this is said.
pub(crate) fn tenant_rules(policy: Policy, said: Option<&Tenant>) -> TenantRules {
    let usual = TenantRules::usual(policy);
    let Some(said) = said else { return usual };
    let number = |said: Option<u64>| said.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
    TenantRules {
        parallel_runs: number(said.parallel_runs).unwrap_or(usual.parallel_runs),
        weight: said.weight.unwrap_or(usual.weight),
        guaranteed_runs: number(said.guaranteed_runs),
        ..usual
    }
}

/// Where traces go.
///
/// # Errors
/// When the value of a header is not there.
pub(crate) async fn traces(settings: &Settings, receiver: &TraceReceiver) -> Result<OtlpTraces> {
    let mut headers = Vec::new();
    for (name, from) in &receiver.headers {
        let value = secret(settings, from).await.with_context(|| format!("header `{name}` of traces"))?;
        headers.push((name.clone(), value));
    }
    Ok(OtlpTraces::new(OtlpConnection {
        url: receiver.url.clone(),
        host: receiver.host.to_string(),
        headers,
        service: ("stageway", env!("CARGO_PKG_VERSION")),
        // The operator names it, so it may be on this machine.
        http: Arc::new(EgressHttp::new(BTreeSet::from([receiver.host.clone()]))),
    }))
}

async fn forge(settings: &Settings, entry: &ForgeEntry, http: &Arc<dyn Http>) -> Result<Arc<dyn Forge>> {
    let credentials = match &entry.credentials {
        None => Credentials::Anonymous,
        Some(ForgeCredentials::Token(from)) => Credentials::Token(secret(settings, from).await?),
        Some(ForgeCredentials::Login(login)) => {
            let password = secret(settings, &login.password).await?;
            Credentials::Basic { username: login.user.clone(), password }
        }
    };
    let api = entry.api.clone().or_else(|| public_api(entry.kind).map(str::to_owned));
    let absent = || Refused::new(Exit::Invalid, "it has no `api`", "write the address of its API");
    let api = api.ok_or_else(absent)?;
    Ok(connect(ForgeConnection { kind: entry.kind, api, credentials, http: http.clone() })?)
}

async fn hook(
    settings: &Settings,
    webhook: &Webhook,
    forges: &BTreeMap<String, Arc<dyn Forge>>,
) -> Result<Option<Hook>> {
    let service = &settings.service;
    let registered = webhook.repositories.iter();
    let known: Vec<_> = registered.filter_map(|id| Some((id, service.repositories.get(id)?))).collect();
    let Some((_, first)) = known.first() else { return Ok(None) };
    let Some(forge) = forges.get(&first.forge) else { return Ok(None) };
    let mut secrets = Vec::new();
    for from in &webhook.secrets {
        secrets.push(secret(settings, from).await?);
    }
    let repositories = known.iter().map(|(id, repository)| (repository.name.clone(), (*id).clone()));
    Ok(Some(Hook {
        tenant: first.tenant.clone(),
        forge: forge.clone(),
        secrets,
        repositories: repositories.collect(),
    }))
}
