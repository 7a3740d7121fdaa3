//! Conditions, evaluated with where the run stands.

use super::types::{Plan, PlannedStage};
use crate::call::Failure;
use crate::expression::{Expression, evaluate};
use crate::run::{Conditions, RunState};
use serde_json::{Value as Json, json};

/// The conditions of a plan's stages.
#[derive(Debug, Clone, Copy)]
pub struct PlanConditions<'p> {
    /// Whose.
    pub plan: &'p Plan,
}

impl Conditions for PlanConditions<'_> {
    fn holds(&self, stage: &PlannedStage, state: &RunState) -> Result<bool, Failure> {
        if let Some(decided) = stage.when.decided {
            return Ok(decided);
        }
        let name = self.plan.stages.iter().find(|(_, planned)| std::ptr::eq(*planned, stage));
        let name = name.or_else(|| self.plan.stages.iter().find(|(_, planned)| *planned == stage));
        let Some((name, _)) = name else { return Ok(false) };
        let scope = self.plan.scope(name, state);
        match Expression::parse(&stage.when.source).and_then(|expression| evaluate(&expression, &scope)) {
            Ok(Json::Bool(holds)) => Ok(holds),
            Ok(_) => Err(failure("the condition is not true or false", &stage.when.source)),
            Err(fault) => Err(failure(&fault.message, &stage.when.source)),
        }
    }
}

fn failure(message: &str, source: &str) -> Failure {
    Failure {
        code: "stageway/condition".into(),
        message: format!("`when` cannot be evaluated: {message}"),
        details: Some(json!({ "when": source })),
    }
}
