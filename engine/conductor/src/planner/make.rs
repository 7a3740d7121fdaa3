//! From the bytes of a pipeline file to a run that exists.

use crate::engine::Engine;
use crate::trees::Trees;
use serde_json::Value as Json;
use stageway_core::definition::{Definition, Parsed};
use stageway_core::diagnostic::{Diagnostic, any_error, codes};
use stageway_core::digest::Digest;
use stageway_core::event::Event;
use stageway_core::expression::Template;
use stageway_core::limits::AttemptLimits;
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_core::plan::{Absent, Found, Plan, Planning, plan};
use stageway_core::plugin::PluginRef;
use stageway_core::policy::Policy;
use stageway_core::run::RunEvent;
use stageway_core::workspace::Tree;
use stageway_ports::{
    Beside, BlobError, Blobs, FoundPlugin, GuestError, Guests, NewRun, PluginError, Plugins, StoreError,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use thiserror::Error;

/// Everything that a plan is made from.
pub struct Request<'a> {
    /// Whose run it becomes.
    pub tenant: &'a TenantId,
    /// The pipeline file, with the problems that it has.
    pub parsed: Parsed,
    /// What lies beside it.
    pub beside: &'a Beside,
    /// What starts the run.
    pub event: &'a Event,
    /// Given by hand.
    pub parameters: &'a BTreeMap<String, Json>,
    /// The tenant's policy.
    pub policy: &'a Policy,
    /// Paths that differ from the event's base; none when a person asked.
    pub changed: Option<&'a [String]>,
}

/// A plan with everything that it needs to become a run.
pub struct Prepared {
    /// The file, understood.
    pub definition: Definition,
    /// Frozen.
    pub plan: Plan,
    /// What was refused without harm.
    pub warnings: Vec<Diagnostic>,
    /// The plugins' components by digest.
    pub components: BTreeMap<Digest, Vec<u8>>,
}

/// Makes a plan: finds the plugins, decides the grants, asks the plugins about their configurations.
///
/// # Errors
/// Every problem, in the order of the file.
pub async fn make(
    guests: &dyn Guests,
    plugins: &dyn Plugins,
    request: Request<'_>,
) -> Result<Prepared, Vec<Diagnostic>> {
    let mut diagnostics = request.parsed.diagnostics;
    let Some(definition) = request.parsed.definition else { return Err(diagnostics) };
    let sought = find((plugins, request.beside), &definition, &mut diagnostics).await;
    let Sought { found, absent, components } = sought;
    if any_error(&diagnostics) {
        return Err(diagnostics);
    }
    let planned = plan(&Planning {
        definition: &definition,
        event: request.event,
        plugins: &found,
        absent: &absent,
        policy: request.policy,
        parameters: request.parameters,
        changed: request.changed,
        limits: &AttemptLimits::default(),
    });
    let (plan, warnings) = planned.into_result().map_err(|problems| {
        diagnostics.extend(problems);
        std::mem::take(&mut diagnostics)
    })?;
    let refused = validate((guests, request.tenant), &definition, &plan, &components).await;
    if !refused.is_empty() {
        return Err(refused);
    }
    diagnostics.extend(warnings);
    Ok(Prepared { definition, plan, warnings: diagnostics, components })
}

/// The plugins that a file names.
#[derive(Debug, Default)]
pub struct Sought {
    /// Those that are there.
    pub found: BTreeMap<PluginRef, Found>,
    /// Those that are nowhere.
    pub absent: BTreeMap<PluginRef, Absent>,
    /// The bytes of those that are there.
    pub components: BTreeMap<Digest, Vec<u8>>,
}

/// Looks for every plugin that the file names; those that are nowhere are left to the planner, which says where they are
/// named.
pub async fn find(
    (plugins, beside): (&dyn Plugins, &Beside),
    definition: &Definition,
    diagnostics: &mut Vec<Diagnostic>,
) -> Sought {
    let mut sought = Sought::default();
    let mut asked = BTreeSet::new();
    for (name, stage) in &definition.stages {
        if !asked.insert(&stage.uses) {
            continue;
        }
        let at = |problem: Diagnostic| problem.at(definition.places.value(&uses(name)));
        match plugins.find(&stage.uses, beside).await {
            Ok(FoundPlugin { component, manifest, bytes }) => {
                let imports = component.imports.into_iter().collect();
                sought.components.insert(component.digest, bytes);
                let found = Found { digest: component.digest, manifest, imports };
                sought.found.insert(stage.uses.clone(), found);
            }
            Err(PluginError::NotFound { looked_in, nearest, .. }) => {
                sought.absent.insert(stage.uses.clone(), Absent { looked_in, nearest });
            }
            Err(error) => diagnostics.push(at(refused(&error))),
        }
    }
    sought
}

fn uses(stage: &StageName) -> String {
    format!("/stages/{stage}/uses")
}

fn refused(error: &PluginError) -> Diagnostic {
    let (code, remedy) = match error {
        PluginError::NotFound { .. } => {
            (codes::PLUGIN_NOT_FOUND, "put the component into a plugin directory")
        }
        PluginError::Ambiguous { .. } => {
            (codes::PLUGIN_AMBIGUOUS, "remove one of the files, or give one another version")
        }
        PluginError::Locked { .. } => {
            (codes::PLUGIN_LOCKED, "put the pinned component into a plugin directory")
        }
        PluginError::Unreadable { .. } => (codes::PLUGIN_UNREADABLE, "build it again, or remove it"),
    };
    Diagnostic::error(code, error.to_string(), remedy)
}

/// What the plugins themselves say of the configurations that are whole already.
async fn validate(
    (guests, tenant): (&dyn Guests, &TenantId),
    definition: &Definition,
    plan: &Plan,
    components: &BTreeMap<Digest, Vec<u8>>,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut asked = BTreeSet::new();
    for (name, stage) in &plan.stages {
        // The cells of a matrix have one configuration.
        let name = stage.in_file(name);
        if !asked.insert(name) {
            continue;
        }
        let place = |pointer: &str| definition.places.value(&format!("/stages/{name}/with{pointer}"));
        let fault = |message: String| {
            Diagnostic::error(codes::PLUGIN_UNREADABLE, message, "build the plugin again")
                .at(definition.places.value(&uses(name)))
        };
        let prepared = match components.get(&stage.plugin.digest) {
            Some(bytes) if !guests.is_prepared(&stage.plugin.digest) => {
                guests.prepare(bytes).await.map(|_| ())
            }
            _ => Ok(()),
        };
        match prepared {
            Ok(()) => {}
            Err(error @ GuestError::Host(_)) => {
                let remedy = "see that the state directory may be written and has room, then try again";
                problems.push(Diagnostic { remedy: remedy.to_owned(), ..fault(error.to_string()) });
                continue;
            }
            Err(error) => {
                problems.push(fault(error.to_string()));
                continue;
            }
        }
        if has_expressions(&stage.with) {
            continue;
        }
        match guests.validate(tenant, &stage.plugin.digest, &stage.with).await {
            Ok(issues) => problems.extend(issues.into_iter().map(|issue| {
                let remedy = "mend the value; the plugin's README says what it takes";
                Diagnostic::error(codes::CONFIGURATION_REFUSED, issue.message, remedy)
                    .at(place(&issue.pointer))
            })),
            Err(error) => problems.push(fault(error.to_string())),
        }
    }
    problems
}

fn has_expressions(value: &Json) -> bool {
    match value {
        Json::String(text) => Template::is_in(text),
        Json::Array(items) => items.iter().any(has_expressions),
        Json::Object(object) => object.values().any(has_expressions),
        _ => false,
    }
}

/// Why a plan did not become a run.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The plan's components or tree could not be kept.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a run of a plan: keeps its components and its tree, then its first event. Answers its number.
///
/// # Errors
/// [`CreateError`]; no run exists then.
pub async fn create(
    engine: &Engine,
    tenant: &TenantId,
    run: &RunId,
    prepared: Prepared,
    tree: &Arc<Tree>,
) -> Result<u64, CreateError> {
    let now = engine.clock.now_ms();
    let new = keep((&*engine.blobs, &engine.trees), now, run, prepared, tree).await?;
    Ok(engine.store.create_run(tenant, new).await?)
}

/// Keeps what a run needs, its components and its tree, which stays at hand as well; answers the run, which does not exist yet.
///
/// # Errors
/// [`BlobError`]; what was kept before stays.
pub async fn keep(
    (blobs, trees): (&dyn Blobs, &Trees),
    at: u64,
    run: &RunId,
    prepared: Prepared,
    tree: &Arc<Tree>,
) -> Result<NewRun, BlobError> {
    for bytes in prepared.components.into_values() {
        blobs.put(bytes).await?;
    }
    let content = blobs.put(tree.encode()).await?;
    trees.keep(content.digest, tree.clone());
    let plan = serde_json::to_value(&prepared.plan).expect("a plan is plain data with texts as keys");
    let created = RunEvent::Created { at, plan: Digest::of_value(&plan), tree: content.digest };
    Ok(NewRun { id: run.clone(), pipeline: prepared.plan.pipeline.clone(), plan, at, events: vec![created] })
}
