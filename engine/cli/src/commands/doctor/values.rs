//! Secrets and passwords that the configuration and the policies name: whether each is where it is said to be.

use super::Finding;
use crate::config::Settings;
use crate::wiring::{http_client, site};
use stageway_core::name::TenantId;
use stageway_core::policy::Policy;
use stageway_ports::Secrets as _;
use stageway_remotes::secrets::DeclaredSecrets;

pub(super) async fn all(settings: &Settings) -> Vec<Finding> {
    let mut findings = secrets(settings, &TenantId::local(), &settings.policy).await;
    for (tenant, policy) in &settings.policies {
        findings.extend(secrets(settings, tenant, policy).await);
    }
    findings.extend(service(settings).await);
    findings
}

async fn secrets(settings: &Settings, tenant: &TenantId, policy: &Policy) -> Vec<Finding> {
    let declared = DeclaredSecrets::new(&settings.folder).with_tenant(tenant, &policy.secrets);
    let mut findings = Vec::new();
    for name in policy.secrets.keys() {
        if let Err(error) = declared.value(tenant, name.as_str()).await {
            let what = format!("secret {name} of {tenant}");
            findings.push(Finding::wrong(what, error.to_string(), "put it there, or correct its `from`"));
        }
    }
    let count = policy.secrets.len();
    if findings.is_empty() && count > 0 {
        findings.push(Finding::good(format!("secrets of {tenant}"), format!("all {count} are there")));
    }
    findings
}

/// What a server is told of forges and webhooks.
async fn service(settings: &Settings) -> Option<Finding> {
    let registered = &settings.service;
    if registered.webhooks.is_empty() && registered.forges.is_empty() {
        return None;
    }
    let opened = async { site(settings, &http_client(settings)?).await };
    Some(match opened.await {
        Ok(_) => Finding::good(
            "server",
            format!("{} webhooks of {} forges", registered.webhooks.len(), registered.forges.len()),
        ),
        Err(error) => Finding::wrong("server", format!("{error:#}"), "correct it in the configuration"),
    })
}
