//! What expressions can see: `event`, `vars`, `parameters`, `matrix`, `stages`.

use super::types::{Object, Type};
use crate::name::StageName;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Fields of the event that outsiders write.
pub(super) const UNTRUSTED: [&str; 6] = ["title", "message", "branch", "source", "author", "tag"];

/// The types of everything an expression at one place can see.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Constants.
    pub vars: Object,
    /// What a person gives.
    pub parameters: Object,
    /// The values of the cell; none outside of a stage with a matrix.
    pub matrix: Option<Object>,
    /// Stages that the expression could name, whether they can be read here or not.
    pub stages: BTreeMap<StageName, StageSchema>,
    /// All stages of the pipeline, for suggestions.
    pub names: Arc<[StageName]>,
}

/// One stage as another sees it.
#[derive(Debug, Clone)]
pub struct StageSchema {
    /// The reading stage needs it, directly or through others.
    pub needed: bool,
    /// Whenever the reading stage runs, this one has succeeded.
    pub certain: bool,
    /// Its outputs; open while its plugin is not known. Of a matrix: the outputs of each cell, by its key.
    pub outputs: Object,
    /// It is a matrix.
    pub cells: bool,
}

/// What a name at the root of an expression means.
pub(super) enum Root {
    Event,
    Vars,
    Parameters,
    Matrix,
    Stages,
}

impl Root {
    pub(super) const NAMES: [&'static str; 5] = ["event", "vars", "parameters", "matrix", "stages"];

    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "event" => Some(Self::Event),
            "vars" => Some(Self::Vars),
            "parameters" => Some(Self::Parameters),
            "matrix" => Some(Self::Matrix),
            "stages" => Some(Self::Stages),
            _ => None,
        }
    }
}

impl Schema {
    /// A schema for constants and parameters alone.
    pub fn new(vars: &BTreeMap<String, Json>, parameters: BTreeMap<String, Type>) -> Self {
        let vars = vars.iter().map(|(name, value)| (name.clone(), Type::of_value(value))).collect();
        Self {
            vars: Object { fields: vars, open: false },
            parameters: Object { fields: parameters, open: false },
            matrix: None,
            stages: BTreeMap::new(),
            names: Arc::default(),
        }
    }

    /// The fields of the event. Every one is in every kind's schema; a kind that lacks one fails when it is evaluated.
    pub(super) fn event() -> Object {
        let texts = [
            "kind", "branch", "source", "target", "tag", "revision", "base", "ref", "title", "message",
            "author", "trust", "by",
        ];
        let mut fields: BTreeMap<String, Type> =
            texts.iter().map(|name| ((*name).to_owned(), Type::Text)).collect();
        fields.insert("number".into(), Type::Int);
        fields.insert("dirty".into(), Type::Bool);
        fields.insert("upstream".into(), Type::Object(upstream()));
        Object { fields, open: false }
    }

    /// The stage that a name in an expression means: hyphens may have become `_`.
    pub(super) fn stage(&self, written: &str) -> Option<(&StageName, &StageSchema)> {
        self.stages
            .iter()
            .find(|(name, _)| name.as_str() == written || name.as_str().replace('-', "_") == written)
    }
}

/// The run whose success the event is.
fn upstream() -> Object {
    let outputs = Type::Map(Box::new(Type::Map(Box::new(Type::Any))));
    let fields = [("pipeline", Type::Text), ("run", Type::Text), ("number", Type::Int), ("outputs", outputs)];
    Object { fields: fields.map(|(name, of)| (name.to_owned(), of)).into(), open: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_expressions_has_the_fields_of_the_published_schema() {
        let published = crate::event::Event::schema();
        let names: Vec<&String> = published["properties"].as_object().unwrap().keys().collect();
        let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(Schema::event().fields.keys().map(String::as_str).collect::<Vec<_>>(), names);
    }
}
