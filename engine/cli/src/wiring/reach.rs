//! Which stages of a plan would change something that is not on this machine.

use crate::config::Settings;
use stageway_core::name::StageName;
use stageway_core::operator::Connection;
use stageway_core::plan::Plan;

/// The stages with an environment whose images or clusters are elsewhere: a dirty tree must not enter those.
pub(crate) fn beyond(plan: &Plan, settings: &Settings) -> Vec<StageName> {
    let local = |name: &str| {
        let meant = plan.connections.resolve(name);
        meant.and_then(|name| settings.connection(name)).is_some_and(|connection| connection.is_local())
    };
    let leaves = |stage: &stageway_core::plan::PlannedStage| {
        let images = stage.grants.images.as_ref();
        let elsewhere =
            images.is_some_and(|grant| grant.repositories.keys().any(|name| !local(name.connection())));
        // What a late grant will name is not known yet: it counts as elsewhere where anything is.
        let unknown = !stage.late.is_empty() && has_registries(settings);
        stage.environment.is_some() && (elsewhere || unknown || stage.grants.cluster.is_some())
    };
    plan.stages.iter().filter(|(_, stage)| leaves(stage)).map(|(name, _)| name.clone()).collect()
}

fn has_registries(settings: &Settings) -> bool {
    let registry = |connection: &Connection| !connection.is_local();
    settings.connections.as_ref().is_some_and(|connections| connections.values().any(registry))
}
