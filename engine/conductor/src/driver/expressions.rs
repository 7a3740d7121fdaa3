//! Conditions and configurations of stages, evaluated with what the run has come to.

use serde_json::Value as Json;
use stageway_core::call::Failure;
use stageway_core::grant::Grants;
use stageway_core::name::StageName;
use stageway_core::plan::{Plan, PlannedStage, Service};
use stageway_core::run::{Conditions, RunState};
use std::collections::BTreeMap;

/// Evaluates `when`.
pub(super) struct PlanConditions<'a> {
    pub(super) plan: &'a Plan,
}

/// What a stage's expressions come to.
pub(super) struct Resolved {
    pub(super) configuration: Json,
    pub(super) env: BTreeMap<String, String>,
    pub(super) services: Vec<(String, Service)>,
    pub(super) grants: Grants,
}

impl Conditions for PlanConditions<'_> {
    fn holds(&self, stage: &PlannedStage, _state: &RunState) -> Result<bool, Failure> {
        let _ = self.plan;
        Ok(stage.when.decided.unwrap_or(true))
    }
}

pub(super) fn resolve(plan: &Plan, name: &StageName, _state: &RunState) -> Result<Resolved, Failure> {
    let stage = &plan.stages[name];
    Ok(Resolved {
        configuration: stage.with.clone(),
        env: stage.env.clone(),
        services: stage.services.iter().map(|(name, service)| (name.clone(), service.clone())).collect(),
        grants: stage.grants.clone(),
    })
}
