//! Conditions, evaluated with where the run stands.

use super::types::{Plan, PlannedStage};
use crate::call::Failure;
use crate::expression::{Expression, evaluate};
use crate::name::StageName;
use crate::run::{Conditions, RunState};
use serde_json::{Value as Json, json};

/// The condition of a stage whose file says nothing.
pub(super) const UNSAID: &str = "success()";

/// The conditions of a plan's stages.
#[derive(Debug, Clone, Copy)]
pub struct PlanConditions<'p> {
    /// Whose.
    pub plan: &'p Plan,
}

impl Conditions for PlanConditions<'_> {
    fn holds(&self, name: &StageName, stage: &PlannedStage, state: &RunState) -> Result<bool, Failure> {
        if let Some(decided) = stage.when.decided {
            return Ok(decided);
        }
        // What every stage asks whose file says nothing, and no parser is needed for.
        if stage.when.source == UNSAID {
            return Ok(self.plan.succeeds(stage, state));
        }
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
