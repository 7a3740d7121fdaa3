//! `…/environments`

use super::extract::{Ask, At};
use super::freezes::Frozen;
use super::look::Look;
use super::{Answer, Routes, page};
use crate::app::App;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use stageway_core::name::EnvironmentName;
use stageway_core::policy::EnvironmentRule;
use stageway_ports::Freeze;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// An environment.
#[derive(Serialize, ToSchema)]
struct Environment {
    /// Its name.
    name: String,
    /// Patterns of branches that may enter it; empty takes every branch.
    refs: Vec<String>,
    /// Who may approve; empty is whoever may approve at all.
    approvers: Vec<String>,
    /// Why it stands still, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    frozen: Option<Frozen>,
}

/// The address of an environment.
#[derive(Deserialize)]
struct EnvironmentAt {
    environment: EnvironmentName,
}

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// At most so many, 50 if nothing is said.
    #[param(minimum = 1, maximum = 1000)]
    max: Option<u32>,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(releases))
}

/// The environments of a tenant
///
/// Those that its policy names, and those that are frozen.
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/environments", tag = "environments", security(("token" = ["read"])),
    responses((status = 200, description = "By name", body = Vec<Environment>))
)]
async fn list(look: Look, State(app): State<Arc<App>>) -> Answer {
    let rules = app.site.tenants.get(look.tenant()).map(|rules| rules.policy.environments.clone());
    let known: BTreeMap<String, EnvironmentRule> =
        rules.into_iter().flatten().map(|(name, rule)| (name.to_string(), rule)).collect();
    let mut all: BTreeMap<String, (EnvironmentRule, Option<Freeze>)> =
        known.into_iter().map(|(name, rule)| (name, (rule, None))).collect();
    for freeze in app.resources.freezes.frozen(look.tenant()).await? {
        if let Some(environment) = freeze.environment.clone() {
            all.entry(environment.to_string()).or_default().1 = Some(freeze);
        }
    }
    let shown = all.into_iter().map(|(name, (rule, freeze))| Environment {
        name,
        refs: rule.refs,
        approvers: rule.approvers,
        frozen: freeze.map(Frozen::from),
    });
    Ok(look.json(shown.collect::<Vec<_>>()))
}

/// What was released to an environment, newest first
#[utoipa::path(
    get, path = "/api/v1/tenants/{tenant}/environments/{environment}/releases", tag = "environments",
    security(("token" = ["read"])), params(Wanted),
    responses((status = 200, description = "Each with `id`, `run`, `at`, `what`, `verdict` and `reason`", body = Vec<serde_json::Value>))
)]
async fn releases(
    look: Look,
    State(app): State<Arc<App>>,
    At(at): At<EnvironmentAt>,
    Ask(wanted): Ask<Wanted>,
) -> Answer {
    let max = page::size(wanted.max, 50)?;
    let releases = app.store().releases(look.tenant(), &at.environment, max).await?;
    Ok(look.json(releases.iter().map(|release| json!(release)).collect::<Vec<Json>>()))
}
