//! `stageway plan`

use super::Context;
use super::prepare::{PrepareArgs, Ready, prepare, tell};
use crate::exit::Exit;
use crate::terminal::{Look, Style, cell_in_words, compared, why};
use crate::wiring::{Blueprint, numbers};
use anyhow::Result;
use serde_json::Value as Json;
use stageway_conductor::driver::{Loaded, subject};
use stageway_conductor::engine::{Blind, Engine};
use stageway_conductor::planner::preview::{self, Preview, PreviewEnd};
use stageway_conductor::planner::skip;
use stageway_core::call::Failure;
use stageway_core::grant::Grants;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::PlannedStage;
use stageway_core::run::{AttemptEnding, RunEvent, RunState, SkipReason, Usage};
use stageway_ports::Writer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `stageway plan`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    prepare: PrepareArgs,
    /// As JSON, one stage a line
    #[arg(long)]
    json: bool,
}

/// What is known of one stage before anything runs.
#[derive(Debug)]
enum Foreseen {
    /// It is not run.
    Skipped(SkipReason),
    /// Its plugin ran, with its effects recorded.
    Previewed(Preview),
    /// What it needs is not known before other stages have run.
    Unknown(Failure),
}

/// Shows what each stage would do.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let blueprint = Blueprint::new(context.settings()?).await?;
    context.remind(&blueprint.home).await?;
    let ready = prepare(context, &blueprint, &args.prepare).await?;
    if !args.json {
        tell(context, &ready.about)?;
    }
    let home = &blueprint.home;
    let numbers = numbers(&*home.store, &home.tenant).await?;
    let Ready { prepared, tree, source, origin, .. } = ready;
    let engine = blueprint.engine(source, &origin, Arc::new(Blind))?;
    for bytes in prepared.components.into_values() {
        home.blobs.put(bytes).await?;
    }
    let tree = home.blobs.put(tree.encode()).await?.digest;
    let plan = Arc::new(prepared.plan);
    let mut state = RunState::new(plan.stages.keys());
    state.apply(&RunEvent::Created { at: engine.clock.now_ms(), plan: plan.digest(), tree });
    let mut loaded = Loaded { number: 0, plan: plan.clone(), state, version: 0, cancel: None };
    let writer = Writer {
        tenant: home.tenant.clone(),
        run: RunId::new(format!("plan-{}", ulid::Ulid::generate()))?,
        fence: 0,
    };
    for (name, planned) in &plan.stages {
        let (foreseen, grants) = foresee(&engine, &writer, &loaded, name, planned).await;
        follow(&mut loaded.state, name, &foreseen);
        let text = if args.json {
            format!("{}\n", as_json(name, planned, &grants, &foreseen))
        } else {
            in_words(name, planned, &grants, &foreseen, &numbers, &context.out)
        };
        context.print(&text)?;
    }
    Ok(Exit::Ok)
}

async fn foresee(
    engine: &Arc<Engine>,
    writer: &Writer,
    loaded: &Loaded,
    name: &StageName,
    planned: &PlannedStage,
) -> (Foreseen, Grants) {
    if planned.when.decided == Some(false) {
        return (
            Foreseen::Skipped(SkipReason::Condition(planned.when.source.clone())),
            planned.grants.clone(),
        );
    }
    let minds = !planned.when.asks_status && !planned.finally;
    if let Some(need) = loaded.plan.held_up_by(planned, &loaded.state).filter(|_| minds) {
        return (Foreseen::Skipped(SkipReason::Upstream(need.clone())), planned.grants.clone());
    }
    let subject = match subject(engine, writer, loaded, name, 1).await {
        Ok(subject) => subject,
        Err(failure) => return (Foreseen::Unknown(failure), planned.grants.clone()),
    };
    let proof = if engine.rules.skip { skip::known(engine, &subject).await } else { None };
    let foreseen = match proof {
        Some(proof) => Foreseen::Skipped(SkipReason::Unchanged(Box::new(proof))),
        None => Foreseen::Previewed(preview::stage(engine, &subject).await),
    };
    (foreseen, subject.grants.clone())
}

/// What stages that follow may take for granted.
fn follow(state: &mut RunState, name: &StageName, foreseen: &Foreseen) {
    let (stage, at) = (name.clone(), state.created_at);
    let event = match foreseen {
        Foreseen::Skipped(reason) => RunEvent::StageSkipped { at, stage, reason: reason.clone() },
        Foreseen::Previewed(Preview { end: PreviewEnd::Succeeds(Json::Object(outputs)), .. }) => {
            let ending = AttemptEnding::Succeeded { outputs: outputs.clone(), artifacts: BTreeMap::new() };
            RunEvent::AttemptEnded { at, stage, attempt: 1, ending, usage: Usage::default() }
        }
        Foreseen::Previewed(_) | Foreseen::Unknown(_) => return,
    };
    state.apply(&event);
}

fn granted(grants: &Grants) -> BTreeMap<String, String> {
    let value = serde_json::to_value(grants).unwrap_or_default();
    let members = value.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

fn as_json(name: &StageName, planned: &PlannedStage, grants: &Grants, foreseen: &Foreseen) -> Json {
    let mut value = serde_json::json!({
        "stage": name,
        "plugin": planned.plugin,
        "cell": planned.cell,
        "needs": planned.needs,
        "environment": planned.environment,
        "grants": grants,
    });
    match foreseen {
        Foreseen::Skipped(reason) => value["skipped"] = serde_json::json!(reason),
        Foreseen::Unknown(failure) => {
            value["unknown"] = serde_json::json!(failure);
            value["with"] = planned.with.clone();
        }
        Foreseen::Previewed(preview) => {
            value["effects"] = preview.calls.iter().map(preview::in_words).collect();
            value["says"] = preview.says.clone().into();
            value["ended-early"] = preview.ended_early.into();
            value["end"] = match &preview.end {
                PreviewEnd::Succeeds(outputs) => serde_json::json!({"succeeds": outputs}),
                PreviewEnd::Fails(failure) => serde_json::json!({"fails": failure}),
                PreviewEnd::Open => "open".into(),
                PreviewEnd::Broken(message) => serde_json::json!({"broken": message}),
            };
        }
    }
    value
}

fn in_words(
    name: &StageName,
    planned: &PlannedStage,
    grants: &Grants,
    foreseen: &Foreseen,
    numbers: &BTreeMap<RunId, u64>,
    look: &Look,
) -> String {
    let plugin = &planned.plugin;
    let title = look.paint(Style::Strong, name.as_str());
    let component = format!("{} {} {}", plugin.name, plugin.version, plugin.digest.short());
    let mut text = format!("\n{title}  {}\n", look.paint(Style::Faint, &component));
    let mut line = |key: &str, value: &str| text.push_str(&format!("  {key:<9} {value}\n"));
    if let Some(cell) = &planned.cell {
        line("cell", &format!("of {}: {}", cell.of, cell_in_words(cell)));
    }
    if !planned.needs.is_empty() {
        line("needs", &planned.needs.iter().map(StageName::as_str).collect::<Vec<_>>().join(", "));
    }
    if let Some(environment) = &planned.environment {
        line("enters", &format!("{environment}, under its lock"));
    }
    if planned.approval.is_some() {
        line("asks", "for an approval of the effects below");
    }
    for (interface, parameters) in granted(grants) {
        line("may", &format!("{interface} {parameters}"));
    }
    if !planned.late.is_empty() {
        line("may", "also what follows from values that are not known yet, within the policy");
    }
    match foreseen {
        Foreseen::Skipped(reason) => {
            line("skipped", &why(reason, numbers));
            if let SkipReason::Unchanged(proof) = reason {
                line("", &compared(proof));
                outputs(&mut line, &Json::Object(proof.outputs.clone()));
            }
        }
        Foreseen::Unknown(_) => {
            line("runs", "with values that are not known before the stages it needs have run");
            outputs_of(&mut line, "with", &planned.with);
        }
        Foreseen::Previewed(preview) => previewed(&mut line, preview),
    }
    text
}

fn previewed(line: &mut dyn FnMut(&str, &str), preview: &Preview) {
    line("runs", if preview.calls.is_empty() { "without any effect" } else { "with these effects" });
    for said in &preview.says {
        line("says", said);
    }
    for call in &preview.calls {
        let words = preview::in_words(call);
        let (function, request) = (&words["function"], &words["request"]);
        line(
            "does",
            &format!("{} {}", function.as_str().unwrap_or_default(), request.as_str().unwrap_or_default()),
        );
    }
    match &preview.end {
        PreviewEnd::Succeeds(values) => outputs(line, values),
        PreviewEnd::Fails(failure) => line("fails", &format!("{} ({})", failure.message, failure.code)),
        PreviewEnd::Open => line("then", "what follows depends on an effect that a plan does not perform"),
        PreviewEnd::Broken(message) => line("broken", message),
    }
}

fn outputs(line: &mut dyn FnMut(&str, &str), values: &Json) {
    outputs_of(line, "outputs", values);
}

fn outputs_of(line: &mut dyn FnMut(&str, &str), title: &str, values: &Json) {
    for (name, value) in values.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line(title, &format!("{name}: {value}"));
    }
}
