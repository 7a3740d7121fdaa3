//! The values that an expression sees when it is evaluated.

use crate::event::Event;
use crate::name::StageName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// How a stage that has ended looks to others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageOutcome {
    /// `succeeded`, `failed`, `errored`, `cancelled` or `skipped`; a stage skipped because nothing has changed has
    /// `succeeded`.
    pub status: String,
    /// Its outputs; empty unless it has succeeded.
    pub outputs: Map<String, Json>,
}

/// Everything that expressions see.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    event: Json,
    vars: Json,
    parameters: Json,
    /// Null outside of a stage with a matrix.
    matrix: Json,
    stages: Json,
    /// What `success()` says: no needed stage has failed, errored or been cancelled.
    pub success: bool,
    /// What `failure()` says: a needed stage has failed or errored.
    pub failure: bool,
}

impl Scope {
    /// What is known before anything has run.
    pub fn new(event: &Event, vars: &BTreeMap<String, Json>, parameters: &BTreeMap<String, Json>) -> Self {
        let object = |map: &BTreeMap<String, Json>| {
            Json::Object(map.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        Self {
            event: serde_json::to_value(event).expect("an event is plain data"),
            vars: object(vars),
            parameters: object(parameters),
            matrix: Json::Null,
            stages: Json::Object(Map::new()),
            success: true,
            failure: false,
        }
    }

    /// The same for a cell of a matrix, with its values.
    #[must_use]
    pub fn with_matrix(mut self, values: &BTreeMap<String, Json>) -> Self {
        self.matrix = values.iter().map(|(axis, value)| (axis.clone(), value.clone())).collect();
        self
    }

    /// The same with the stages that have ended, by name.
    #[must_use]
    pub fn with_stages(mut self, ended: &BTreeMap<StageName, StageOutcome>) -> Self {
        let mut stages = Map::new();
        for (name, outcome) in ended {
            let value = serde_json::json!({ "status": outcome.status, "outputs": outcome.outputs });
            // In expressions the hyphens of `stages.unit-test` have become `_`; stage names have none.
            if name.as_str().contains('-') {
                stages.insert(name.as_str().replace('-', "_"), value.clone());
            }
            stages.insert(name.as_str().to_owned(), value);
        }
        self.stages = Json::Object(stages);
        self
    }

    /// The same with what the status functions say.
    #[must_use]
    pub fn with_status(mut self, success: bool, failure: bool) -> Self {
        (self.success, self.failure) = (success, failure);
        self
    }

    pub(super) fn root(&self, name: &str) -> Option<&Json> {
        match name {
            "event" => Some(&self.event),
            "vars" => Some(&self.vars),
            "parameters" => Some(&self.parameters),
            "matrix" => Some(&self.matrix).filter(|matrix| !matrix.is_null()),
            "stages" => Some(&self.stages),
            _ => None,
        }
    }
}
