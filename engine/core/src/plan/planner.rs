//! From a definition, an event, plugins and a policy to a plan, or to everything that is missing.

use super::conditions::UNSAID;
use super::configuration::Schema;
use super::expansion::{Part, expanded, matrices, parts};
use super::stage::{self, Surroundings};
use super::types::{Absent, Concurrency, Condition, Found, Plan};
use crate::definition::{self, Definition, Known};
use crate::diagnostic::{Diagnostic, any_error, codes, sort};
use crate::event::Event;
use crate::expression::{Expression, Scope, evaluate_known, fill_text};
use crate::grant::Ceiling;
use crate::limits::AttemptLimits;
use crate::name::StageName;
use crate::plugin::PluginRef;
use crate::policy::Policy;
use crate::trigger;
use indexmap::IndexMap;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// How long a run may take when the file does not say: an approval may take days.
const TIMEOUT: u64 = 7 * definition::DAY;

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Planning<'a> {
    /// The pipeline, without errors.
    pub definition: &'a Definition,
    /// What starts the run.
    pub event: &'a Event,
    /// The plugins that were found, by what the file says.
    pub plugins: &'a BTreeMap<PluginRef, Found>,
    /// What is known of those that were not.
    pub absent: &'a BTreeMap<PluginRef, Absent>,
    /// The tenant's.
    pub policy: &'a Policy,
    /// Given by hand; texts are converted.
    pub parameters: &'a BTreeMap<String, Json>,
    /// The paths that differ from the event's base; none if they are not asked, because a person asked for the run.
    pub changed: Option<&'a [String]>,
    /// The engine's bounds of an attempt.
    pub limits: &'a AttemptLimits,
}

/// What came of planning.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Complete; nothing if there are errors.
    pub plan: Option<Plan>,
    /// Every problem. With a plan: what the policy has refused without harm.
    pub diagnostics: Vec<Diagnostic>,
}

impl Planned {
    /// The plan with its warnings.
    ///
    /// # Errors
    /// Every problem, if there is no plan.
    pub fn into_result(self) -> Result<(Plan, Vec<Diagnostic>), Vec<Diagnostic>> {
        match self.plan {
            Some(plan) => Ok((plan, self.diagnostics)),
            None => Err(self.diagnostics),
        }
    }
}

/// Plans a run. Pure and total: every problem is told at once.
pub fn plan(planning: &Planning<'_>) -> Planned {
    let mut diagnostics = planning.event.check();
    let built = build(planning, &mut diagnostics);
    sort(&mut diagnostics);
    let plan = built.filter(|_| !any_error(&diagnostics));
    Planned { plan, diagnostics }
}

fn build(planning: &Planning<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Plan> {
    let mut vars = planning.policy.vars.clone();
    vars.extend(planning.definition.vars.clone());
    let definition = &Definition { vars: vars.clone(), ..planning.definition.clone() };
    let parameters = definition::resolve_parameters(&definition.parameters, planning.parameters);
    let parameters = parameters.map_err(|problems| diagnostics.extend(problems)).ok()?;
    let scope = Scope::new(planning.event, &vars, &parameters);
    let outputs = outputs(planning);
    let known = Known { named: None, outputs: Some(&outputs), vars_complete: true };
    let graph = definition::Graph::new(definition, &known);
    let checked = definition::check_with(definition, &graph);
    if any_error(&checked) {
        diagnostics.extend(checked);
        return None;
    }
    let order = definition::order(definition);
    let parts = parts(definition, &order);
    let scopes: Vec<Cow<'_, Scope>> = parts.iter().map(|part| own(&scope, part)).collect();
    let conditions = conditions(planning, definition, &parts, &scopes, diagnostics);
    let dead = dead(definition, &parts, &conditions);
    let ceiling = Ceiling::of(planning.policy, planning.event.trust);
    let schemas = schemas(planning.plugins);
    let surroundings =
        Surroundings { planning, definition, graph: &graph, schemas: &schemas, ceiling: &ceiling };
    let mut stages = IndexMap::new();
    for ((part, scope), condition) in parts.into_iter().zip(&scopes).zip(conditions) {
        let (name, lives) = (part.name.clone(), !dead.contains(&part.name));
        let planned = stage::plan(&surroundings, part, scope, condition, lives, diagnostics);
        stages.extend(planned.map(|planned| (name, planned)));
    }
    let concurrency = concurrency(definition, &scope, diagnostics);
    Some(Plan {
        pipeline: definition.pipeline.clone(),
        file: definition.file.clone(),
        event: planning.event.clone(),
        vars,
        parameters,
        concurrency,
        timeout_ms: definition.timeout_ms.unwrap_or(TIMEOUT),
        approval: ceiling.rule.approval,
        connections: ceiling.rule.connections.clone(),
        ceiling,
        stages,
        matrices: matrices(definition),
    })
}

/// What the expressions of one stage see before anything has run.
fn own<'s>(scope: &'s Scope, part: &Part<'_>) -> Cow<'s, Scope> {
    match &part.cell {
        Some(cell) => Cow::Owned(scope.clone().with_matrix(&cell.values)),
        None => Cow::Borrowed(scope),
    }
}

/// The schemas of the outputs of all stages whose plugin was found.
fn outputs(planning: &Planning<'_>) -> BTreeMap<StageName, Json> {
    let stages = planning.definition.stages.iter();
    let found = stages.filter_map(|(name, stage)| Some((name, planning.plugins.get(&stage.uses)?)));
    found.map(|(name, found)| (name.clone(), found.manifest.outputs.clone())).collect()
}

/// The compiled schemas of all configurations.
pub(super) fn schemas<'a>(plugins: &'a BTreeMap<PluginRef, Found>) -> BTreeMap<&'a PluginRef, Schema<'a>> {
    plugins.iter().map(|(uses, found)| (uses, Schema::new(&found.manifest.configuration))).collect()
}

/// The condition of each stage, in order, decided as far as it can be.
fn conditions(
    planning: &Planning<'_>,
    definition: &Definition,
    parts: &[Part<'_>],
    scopes: &[Cow<'_, Scope>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for (Part { in_file, stage, .. }, scope) in parts.iter().zip(scopes) {
        let mut condition = match (&stage.when, stage.finally) {
            (Some(source), _) => decided(definition, in_file, source.trim(), scope, diagnostics),
            (None, true) => always(),
            (None, false) => success(),
        };
        if !stage.paths.is_empty() && !trigger::any_changed(&stage.paths, planning.changed) {
            condition.decided = Some(false);
        }
        conditions.push(condition);
    }
    conditions
}

fn success() -> Condition {
    Condition { source: UNSAID.into(), decided: None, asks_status: false, mentions: BTreeSet::new() }
}

fn always() -> Condition {
    Condition { source: "always()".into(), asks_status: true, decided: Some(true), ..success() }
}

fn decided(
    definition: &Definition,
    name: &StageName,
    source: &str,
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Condition {
    let asked = definition::asked(definition, &definition.stages[name]);
    let (mentions, asks_status) = asked.map(|asked| (asked.mentions, asked.asks_status)).unwrap_or_default();
    let mentions = expanded(definition, &mentions);
    let mut condition = Condition { source: source.to_owned(), decided: None, asks_status, mentions };
    match Expression::parse(source).and_then(|expression| evaluate_known(&expression, scope)) {
        Ok(value) => condition.decided = value,
        Err(fault) => {
            let at = definition.places.value(&format!("/stages/{name}/when"));
            diagnostics.push(Diagnostic::error(fault.code, fault.message, fault.remedy).at(at));
        }
    }
    condition
}

/// The stages that certainly do not run: their condition is false, or a stage that they need does not run and their
/// condition neither mentions it nor asks for statuses. A matrix does not run if none of its cells does.
fn dead(definition: &Definition, parts: &[Part<'_>], conditions: &[Condition]) -> BTreeSet<StageName> {
    let mut dead = BTreeSet::new();
    for (Part { name, stage, .. }, condition) in parts.iter().zip(conditions) {
        let follows = !condition.asks_status && !stage.finally;
        let skipped = |need: &StageName| {
            let all = expanded(definition, &BTreeSet::from([need.clone()]));
            all.iter().all(|need| dead.contains(need) && !condition.mentions.contains(need))
        };
        if condition.decided == Some(false) || follows && stage.needs.iter().any(skipped) {
            dead.insert(name.clone());
        }
    }
    dead
}

fn concurrency(
    definition: &Definition,
    scope: &Scope,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Concurrency> {
    let concurrency = definition.concurrency.as_ref()?;
    match fill_text(&concurrency.group, scope) {
        Ok(group) => Some(Concurrency { group, when_newer: concurrency.when_newer }),
        Err(faults) => {
            let at = definition.places.value("/concurrency");
            let told =
                faults.into_iter().map(|fault| Diagnostic::error(fault.code, fault.message, fault.remedy));
            diagnostics.extend(told.map(|problem| problem.at(at.clone())));
            None
        }
    }
}

/// A stage's plugin that is not there.
pub(super) fn not_found(
    definition: &Definition,
    name: &StageName,
    absent: &BTreeMap<PluginRef, Absent>,
) -> Diagnostic {
    let uses = &definition.stages[name].uses;
    let at = definition.places.value(&format!("/stages/{name}/uses"));
    let Absent { looked_in, nearest } = absent.get(uses).cloned().unwrap_or_default();
    let place = if looked_in.is_empty() { String::new() } else { format!(" in {}", looked_in.join(", ")) };
    let message = format!("no plugin was found for `{uses}`{place}");
    let remedy = match nearest.first() {
        Some(nearest) => {
            format!("use `{nearest}`, which is there, or put the component into a plugin directory")
        }
        None => "mend the name, or put the component into a plugin directory".to_owned(),
    };
    Diagnostic::error(codes::PLUGIN_NOT_FOUND, message, remedy).at(at)
}
