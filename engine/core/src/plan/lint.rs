//! A definition with its plugins, but without an event: what `stageway lint` looks at.

use super::planner::schemas;
use super::stage::judge;
use super::types::{Absent, Found};
use crate::definition::{Definition, Graph, Known, check_with};
use crate::diagnostic::{Diagnostic, sort};
use crate::expression::holes;
use crate::name::StageName;
use crate::plugin::PluginRef;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Every problem of a definition that its plugins show: `with` against their schemas, outputs against what they
/// declare, and plugins that are not there. `vars` are the tenant's constants; none are taken as they come.
pub fn lint(
    definition: &Definition,
    plugins: &BTreeMap<PluginRef, Found>,
    absent: &BTreeMap<PluginRef, Absent>,
    vars: Option<&BTreeMap<String, Json>>,
) -> Vec<Diagnostic> {
    let mut merged = vars.cloned().unwrap_or_default();
    merged.extend(definition.vars.clone());
    let definition = &Definition { vars: merged, ..definition.clone() };
    let stages = definition.stages.iter();
    let outputs: BTreeMap<StageName, Json> = stages
        .filter_map(|(name, stage)| Some((name.clone(), plugins.get(&stage.uses)?.manifest.outputs.clone())))
        .collect();
    let known = Known { named: None, outputs: Some(&outputs), vars_complete: vars.is_some() };
    let graph = Graph::new(definition, &known);
    let schemas = schemas(plugins);
    let mut found = check_with(definition, &graph);
    for (name, stage) in &definition.stages {
        match (plugins.get(&stage.uses), schemas.get(&stage.uses)) {
            (Some(plugin), Some(schema)) => {
                let with = holes(&stage.with);
                found.extend(judge(definition, &graph, name, &plugin.manifest.configuration, schema, &with));
            }
            _ => found.push(super::planner::not_found(definition, name, absent)),
        }
    }
    sort(&mut found);
    found
}
