//! Planning one stage.

use super::cells::Cell;
use super::configuration::{Schema, expected, fits};
use super::environment;
use super::expansion::{Part, expanded, laid_out};
use super::limits::limits;
use super::planner::{Planning, not_found};
use super::types::{Approval, Cache, Condition, Found, LateGrant, PlannedPlugin, PlannedStage};
use crate::definition::{ApprovalDef, Definition, Graph, StageDef};
use crate::diagnostic::{Diagnostic, codes};
use crate::event::Trust;
use crate::expression::{Expression, Fill, Filled, Scope, Template, Type, check, evaluate_known, fill};
use crate::grant::{Asked, Ceiling, Decided, GrantProblem, decide};
use crate::name::StageName;
use crate::plugin::PluginRef;
use crate::policy::GrantSource;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// How long an attempt may take when neither file nor manifest says.
const TIMEOUT: u64 = 3_600_000;
/// `finally` stages have this long in all.
const FINALLY: u64 = 600_000;

/// What planning a stage looks at beside the stage.
pub(super) struct Surroundings<'a> {
    pub(super) planning: &'a Planning<'a>,
    pub(super) definition: &'a Definition,
    pub(super) graph: &'a Graph,
    pub(super) schemas: &'a BTreeMap<&'a PluginRef, Schema<'a>>,
    pub(super) ceiling: &'a Ceiling,
}

/// Plans a stage, whose expressions see `scope`. One that does not `live` is certainly skipped: it needs no grants and none of
/// its values.
pub(super) fn plan(
    around: &Surroundings<'_>,
    part: Part<'_>,
    scope: &Scope,
    condition: Condition,
    lives: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<PlannedStage> {
    let Part { in_file: name, stage, cell, .. } = part;
    let Some(found) = around.planning.plugins.get(&stage.uses) else {
        diagnostics.push(not_found(around.definition, name, around.planning.absent));
        return None;
    };
    let mut planner = Planner { around, name, stage, scope, found, diagnostics };
    let with = fill(&stage.with, scope, Fill::Known);
    planner.configuration(&with, lives);
    let decided = if lives { planner.grants(&with) } else { Decided::default() };
    if lives {
        planner.known_texts();
        planner.environment();
    }
    let approval = planner.approval(lives);
    Some(planner.planned(cell, condition, approval, decided))
}

/// A configuration against its schema: what is known of it, and the types of what will stand in its holes.
pub(super) fn judge(
    definition: &Definition,
    graph: &Graph,
    name: &StageName,
    schema: &Json,
    compiled: &Schema<'_>,
    with: &Filled,
) -> Vec<Diagnostic> {
    let unknown = with.holes.keys().chain(with.faults.iter().map(|(pointer, _)| pointer));
    let unknown: Vec<&str> = unknown.map(String::as_str).collect();
    let mut found = Vec::new();
    for misfit in compiled.misfits(&with.value, &unknown) {
        let pointer = format!("/stages/{name}/with{}", misfit.pointer);
        let places = &definition.places;
        let at = if misfit.of_key { places.key(&pointer) } else { places.value(&pointer) };
        found.push(Diagnostic::error(codes::WITH_INVALID, misfit.message, misfit.remedy).at(at));
    }
    for (pointer, text) in &with.holes {
        let of = hole(graph, name, text);
        if !fits(schema, pointer, &of) {
            let message =
                format!("{} is expected here, but the expression gives {of}", expected(schema, pointer));
            let at = definition.places.value(&format!("/stages/{name}/with{pointer}"));
            found.push(
                Diagnostic::error(codes::OUTPUT_TYPE, message, "use another output, or convert it").at(at),
            );
        }
    }
    found
}

/// The type of what will stand in a hole.
fn hole(graph: &Graph, name: &StageName, text: &str) -> Type {
    let Ok(template) = Template::parse(text) else { return Type::Any };
    let Some(source) = template.single() else { return Type::Text };
    let Ok(expression) = Expression::parse(source) else { return Type::Any };
    check(&expression, &graph.schema(name, [text]), false).of
}

struct Planner<'a> {
    around: &'a Surroundings<'a>,
    /// What the file calls it.
    name: &'a StageName,
    stage: &'a StageDef,
    scope: &'a Scope,
    found: &'a Found,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Planner<'_> {
    fn tell(&mut self, problem: Diagnostic, pointer: &str, of_key: bool) {
        let pointer = format!("/stages/{}{pointer}", self.name);
        let places = &self.around.definition.places;
        let at = if of_key { places.key(&pointer) } else { places.value(&pointer) };
        self.diagnostics.push(problem.at(at));
    }

    /// `with` against the plugin's schema.
    fn configuration(&mut self, with: &Filled, lives: bool) {
        if lives {
            for (pointer, fault) in &with.faults {
                let problem = Diagnostic::error(fault.code, fault.message.clone(), fault.remedy.clone());
                self.tell(problem, &format!("/with{pointer}"), false);
            }
        }
        let Some(compiled) = self.around.schemas.get(&self.stage.uses) else { return };
        let schema = &self.found.manifest.configuration;
        let found = judge(self.around.definition, self.around.graph, self.name, schema, compiled, with);
        self.diagnostics.extend(found);
    }

    /// Expressions of `env` and `services` that are known already must not fail later.
    fn known_texts(&mut self) {
        let stage = self.stage;
        let env = stage.env.iter().map(|(name, text)| (format!("/env/{name}"), text));
        let services = stage.services.iter().flat_map(|(name, service)| {
            let at = format!("/services/{name}");
            let env = service.env.iter().map({
                let at = at.clone();
                move |(variable, text)| (format!("{at}/env/{variable}"), text)
            });
            let command = service.command.iter().enumerate().map({
                let at = at.clone();
                move |(index, text)| (format!("{at}/command/{index}"), text)
            });
            env.chain(command).chain(service.image.iter().map(move |image| (format!("{at}/image"), image)))
        });
        let texts: Vec<(String, &String)> = env.chain(services).collect();
        for (pointer, text) in texts {
            for (_, fault) in fill(&Json::String(text.clone()), self.scope, Fill::Known).faults {
                self.tell(Diagnostic::error(fault.code, fault.message, fault.remedy), &pointer, false);
            }
        }
    }

    fn environment(&mut self) {
        let Some(name) = &self.stage.environment else { return };
        let planning = self.around.planning;
        if let Some((code, message, remedy)) = environment::refusal(planning.policy, planning.event, name) {
            self.tell(Diagnostic::error(code, message, remedy), "/environment", false);
        }
    }

    fn grants(&mut self, with: &Filled) -> Decided {
        let Some(source) = self.source() else { return Decided::default() };
        let decided = decide(&Asked {
            imports: &self.found.imports,
            manifest: &self.found.manifest,
            with,
            file: &self.stage.grants,
            network_refused: self.stage.network_refused,
            secrets: &self.stage.secrets,
            environment: self.stage.environment.as_ref(),
            source,
            ceiling: self.around.ceiling,
        });
        let tell = |planner: &mut Self, problem: &GrantProblem, error: bool| {
            let (message, remedy) = (problem.message.clone(), problem.remedy.clone());
            let problem_at = &problem.pointer;
            let diagnostic = match error {
                true => Diagnostic::error(problem.code, message, remedy),
                false => Diagnostic::warning(problem.code, message, remedy),
            };
            planner.tell(diagnostic, problem_at, false);
        };
        for problem in &decided.missing {
            tell(self, problem, true);
        }
        for problem in &decided.refused {
            tell(self, problem, false);
        }
        decided
    }

    /// Where the plugin's grants come from; nothing if it may not run at all.
    fn source(&mut self) -> Option<GrantSource> {
        let planning = self.around.planning;
        if let PluginRef::File(path) = &self.stage.uses {
            if planning.event.trust < Trust::Protected {
                let message = format!(
                    "`{path}` comes out of the repository, and the run has {} trust",
                    planning.event.trust
                );
                let remedy = "publish the plugin, and use it by name";
                self.tell(Diagnostic::error(codes::TRUST_TOO_LOW, message, remedy), "/uses", false);
                return None;
            }
            // It can call itself what it likes, so its manifest derives nothing.
            return Some(GrantSource::File);
        }
        let name = &self.found.manifest.name;
        let rule = planning.policy.plugins.iter().find(|(pattern, _)| pattern.matches(name));
        if rule.is_none() {
            let message = format!("the policy allows no plugin `{name}`");
            let remedy = "let the policy name the plugin";
            self.tell(Diagnostic::error(codes::PLUGIN_REFUSED, message, remedy), "/uses", false);
        }
        rule.map(|(_, rule)| rule.grants)
    }

    /// The question before the stage, if it is to be asked. Where that cannot be decided yet, it is.
    fn approval(&mut self, lives: bool) -> Option<Approval> {
        let ApprovalDef { when, approval } = self.stage.approval.as_ref()?;
        let Some(source) = when.as_ref().filter(|_| lives) else { return Some(approval.clone()) };
        match Expression::parse(source.trim()).and_then(|when| evaluate_known(&when, self.scope)) {
            Ok(asked) => (asked != Some(false)).then(|| approval.clone()),
            Err(fault) => {
                let problem = Diagnostic::error(fault.code, fault.message, fault.remedy);
                self.tell(problem, "/approval/when", false);
                None
            }
        }
    }

    fn planned(
        &self,
        cell: Option<Cell>,
        condition: Condition,
        approval: Option<Approval>,
        decided: Decided,
    ) -> PlannedStage {
        let (stage, manifest) = (self.stage, &self.found.manifest);
        let timeout_ms = stage.timeout_ms.or(manifest.timeout_ms).unwrap_or(TIMEOUT);
        let timeout_ms = if stage.finally { timeout_ms.min(FINALLY) } else { timeout_ms };
        let planning = self.around.planning;
        let (limits, task_limits) =
            limits(&stage.limits, &planning.policy.limits, planning.limits, timeout_ms);
        PlannedStage {
            uses: stage.uses.clone(),
            plugin: PlannedPlugin {
                name: manifest.name.clone(),
                version: manifest.version.clone(),
                digest: self.found.digest,
            },
            cell,
            needs: expanded(self.around.definition, &stage.needs),
            when: condition,
            with: stage.with.clone(),
            configuration: manifest.configuration.clone(),
            inputs: stage.inputs.clone(),
            from: laid_out(self.around.definition, &stage.from),
            workspace: stage.workspace.clone(),
            artifacts: stage.artifacts.clone(),
            services: stage.services.clone(),
            caches: self.caches(),
            env: self.env(),
            secrets: stage.secrets.clone(),
            environment: stage.environment.clone(),
            approval,
            grants: decided.grants,
            denied: decided.denied,
            late: decided.late.into_iter().map(|(wanted, required)| LateGrant { wanted, required }).collect(),
            limits,
            task_limits,
            retry: stage.retry.clone().or_else(|| self.around.definition.retry.clone()).unwrap_or_default(),
            timeout_ms,
            uninterruptible: stage.uninterruptible || stage.environment.is_some(),
            finally: stage.finally,
            outputs: manifest.outputs.clone(),
            skip: manifest.skip,
        }
    }

    /// The pipeline's variables under the stage's; a secret of the same name wins.
    fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.around.definition.env.clone();
        env.extend(self.stage.env.clone());
        env.retain(|name, _| !self.stage.secrets.contains_key(name));
        env
    }

    fn caches(&self) -> BTreeMap<String, Cache> {
        let access = self.around.ceiling.rule.cache;
        let caches = self.stage.caches.iter();
        caches.map(|(name, path)| (name.clone(), Cache { path: path.clone(), access })).collect()
    }
}
