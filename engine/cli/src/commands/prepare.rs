//! From the command line to a plan: what `run` and `plan` have in common.

use super::Context;
use crate::exit::{Exit, Invalid, Refused};
use crate::terminal::{Sources, Style, bytes as size, count, render};
use crate::wiring::{
    Blueprint, EventArgs, Origin, Place, Snapshot, beside, event, known_clusters, plugins, snapshot,
};
use anyhow::Result;
use serde_json::Value as Json;
use stageway_conductor::planner::{Prepared, Request, make};
use stageway_core::definition::parse;
use stageway_core::event::Event;
use stageway_core::workspace::Tree;
use stageway_ports::{Beside, SourceError};
use stageway_remotes::source::{Facts, WorkTree};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What `run` and `plan` are told alike.
#[derive(Debug, clap::Args)]
pub(crate) struct PrepareArgs {
    /// The pipeline, where the tree has several
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipeline: Option<String>,
    /// The pipeline file, below this folder, which then is the tree: for one that is not found by itself
    #[arg(long, value_name = "FILE", conflicts_with = "pipeline")]
    pub(crate) file: Option<String>,
    /// A commit instead of the tree as it stands
    #[arg(long, value_name = "REVISION")]
    pub(crate) revision: Option<String>,
    /// What the event says.
    #[command(flatten)]
    pub(crate) event: EventArgs,
    /// A parameter of the pipeline; may be given more than once
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parameter)]
    pub(crate) parameters: Vec<(String, String)>,
    /// Run tasks without the sandbox
    #[arg(long)]
    pub(crate) no_sandbox: bool,
    /// Run stages although nothing has changed
    #[arg(long)]
    pub(crate) no_skip: bool,
}

/// `NAME=VALUE`
pub(crate) fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE is expected".to_owned()),
    }
}

/// Parameters as the planner takes them: it converts texts.
fn values(parameters: &[(String, String)]) -> BTreeMap<String, Json> {
    parameters.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect()
}

/// A plan with what it was made from.
pub(crate) struct Ready {
    /// The plan and its components.
    pub(crate) prepared: Prepared,
    /// The tree that the run is about.
    pub(crate) tree: Arc<Tree>,
    /// Where it is read from.
    pub(crate) source: Arc<WorkTree>,
    /// Where the run comes from.
    pub(crate) origin: Origin,
    /// What is told before the run: tree, configuration, and what differs from a server.
    pub(crate) about: About,
}

/// What is told before a run.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct About {
    /// Which tree.
    pub(crate) tree: String,
    /// Which configuration.
    pub(crate) configuration: String,
    /// What differs on this machine from a server.
    pub(crate) local: Vec<String>,
}

impl About {
    /// The lines for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines =
            vec![format!("Tree: {}", self.tree), format!("Configuration: {}", self.configuration)];
        lines.extend(self.local.iter().map(|line| format!("Here: {line}")));
        lines
    }
}

/// Finds the tree, the event and the pipeline, and makes the plan.
///
/// # Errors
/// [`Invalid`] with every problem of the file; [`Refused`] for what the command line says.
pub(crate) async fn prepare(context: &Context, blueprint: &Blueprint, args: &PrepareArgs) -> Result<Ready> {
    let root = match &args.file {
        Some(_) => context.here()?,
        None => Place::find(&context.here()?)?.root,
    };
    let mut origin = Origin {
        root,
        revision: args.revision.clone(),
        base: None,
        unconfined: args.no_sandbox,
        skip: !args.no_skip,
    };
    let source = blueprint.source(&origin).await.map_err(no_revision)?;
    let facts = source.facts().await?;
    if origin.revision.is_some() {
        // A name such as HEAD may mean another commit when the run is resumed.
        origin.revision.clone_from(&facts.revision);
    }
    let Snapshot { tree, files } = snapshot(&source, &*blueprint.home.blobs, args.file.as_deref()).await?;
    let event = event(&args.event, &facts, &tree.digest().to_string(), &context.user())?;
    origin.base.clone_from(&event.base);
    let source = source.with_base(event.base.clone());
    let about = about(blueprint, &origin, &facts, &tree, &event);
    let (name, bytes) = choose(files, args.pipeline.as_deref())?;
    let prepared = plan(context, blueprint, args, &origin.root, (&name, &bytes), &event).await?;
    Ok(Ready { prepared, tree: Arc::new(tree), source: Arc::new(source), origin, about })
}

/// A revision that is not there is a slip of the command line.
fn no_revision(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<SourceError>() {
        Some(SourceError::NotFound(what)) => {
            let remedy = "name a commit, branch or tag of this repository, or leave --revision out";
            Refused::usage(format!("there is no {what}"), remedy).into()
        }
        _ => error,
    }
}

async fn plan(
    context: &Context,
    blueprint: &Blueprint,
    args: &PrepareArgs,
    root: &Path,
    (name, bytes): (&str, &[u8]),
    event: &Event,
) -> Result<Prepared> {
    let sources = Sources::of(name, bytes);
    let plugins = plugins(&blueprint.settings, blueprint.guests.clone());
    let parsed = parse(name, bytes);
    let file = root.join(name);
    let beside = match &parsed.definition {
        Some(definition) => beside(file.parent().unwrap_or(root), definition),
        None => Beside::default(),
    };
    let request = Request {
        tenant: &blueprint.home.tenant,
        parsed,
        beside: &beside,
        event,
        parameters: &values(&args.parameters),
        policy: &blueprint.settings.policy,
        changed: None,
    };
    match make(&*blueprint.guests, &plugins, request).await {
        Ok(prepared) => {
            known_clusters(&prepared.plan, &blueprint.settings)?;
            if !prepared.warnings.is_empty() {
                eprint!("{}", render(&prepared.warnings, &sources, &context.err));
            }
            Ok(prepared)
        }
        Err(diagnostics) => Err(Invalid { diagnostics, sources }.into()),
    }
}

/// The pipeline file that is meant: the only one, or the one with the name.
fn choose(files: Vec<(String, Vec<u8>)>, wanted: Option<&str>) -> Result<(String, Vec<u8>)> {
    let named = |(file, bytes): &(String, Vec<u8>)| {
        parse(file, bytes).definition.map(|definition| definition.pipeline.to_string())
    };
    let names: Vec<Option<String>> = files.iter().map(named).collect();
    let list = || names.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
    let found = match wanted {
        Some(wanted) => names.iter().position(|name| name.as_deref() == Some(wanted)),
        None if files.len() == 1 => Some(0),
        None => {
            let message = format!("the tree has {}", count(files.len() as u64, "pipeline"));
            return Err(Refused::usage(message, format!("name one of {}", list())).into());
        }
    };
    let missing = || {
        let message = format!("the tree has no pipeline `{}`", wanted.unwrap_or_default());
        Refused::usage(message, format!("it has {}", list()))
    };
    Ok(found.and_then(|index| files.into_iter().nth(index)).ok_or_else(missing)?)
}

fn about(blueprint: &Blueprint, origin: &Origin, facts: &Facts, tree: &Tree, event: &Event) -> About {
    let at = match (&facts.revision, facts.dirty) {
        _ if !facts.in_git => format!("outside git, tree {}", tree.digest().short()),
        (None, _) => "before the first commit".to_owned(),
        (Some(revision), true) => format!("at {} of {}, with changes", short(revision), event.head()),
        (Some(revision), false) => format!("at {} of {}", short(revision), event.head()),
    };
    let files = count(tree.len() as u64, "file");
    let settings = &blueprint.settings;
    let mut local = vec![if origin.unconfined {
        "THE SANDBOX IS OFF (--no-sandbox): tasks may read and change everything that you may".to_owned()
    } else {
        "tasks run in a sandbox of this machine (namespaces, seccomp), without its network".to_owned()
    }];
    local.push(match &settings.connections {
        None => format!("connections are image layouts, {}/NAME", settings.state.join("images").display()),
        Some(connections) => {
            format!(
                "connections are those of the configuration: {}",
                connections.keys().cloned().collect::<Vec<_>>().join(", ")
            )
        }
    });
    let toolbox: Vec<String> = settings.toolbox.iter().map(|path| path.display().to_string()).collect();
    if !toolbox.is_empty() {
        local.push(format!("tasks also see {}, read-only", toolbox.join(", ")));
    }
    if !settings.egress.allow.is_empty() {
        let open: Vec<String> = settings.egress.allow.iter().map(ToString::to_string).collect();
        local.push(format!("the configuration opens {}", open.join(", ")));
    }
    local.push(if settings.clusters.is_empty() {
        "no cluster is configured".to_owned()
    } else {
        let names: Vec<&str> = settings.clusters.keys().map(String::as_str).collect();
        format!("clusters are those of the configuration: {}", names.join(", "))
    });
    About {
        tree: format!("{} {at}, {files}, {}", origin.root.display(), size(tree.size())),
        configuration: settings.in_words(),
        local,
    }
}

fn short(revision: &str) -> &str {
    revision.get(..12).unwrap_or(revision)
}

/// Refuses a dirty tree where its effects would leave this machine.
///
/// # Errors
/// [`Refused`] with the stages.
pub(crate) fn guard(blueprint: &Blueprint, ready: &Ready, allowed: bool) -> Result<()> {
    let plan = &ready.prepared.plan;
    if !plan.event.dirty || allowed {
        return Ok(());
    }
    let stages = crate::wiring::beyond(plan, &blueprint.settings);
    if stages.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stages.iter().map(|stage| format!("`{stage}`")).collect();
    let message =
        format!("the tree has changes, and {} would take it to an environment elsewhere", names.join(", "));
    Err(Refused::new(Exit::Denied, message, "commit the changes, or say --allow-dirty").into())
}

/// Tells what is told before a run; what is dangerous in a colour.
pub(crate) fn tell(context: &Context, about: &About) -> Result<()> {
    for line in about.lines() {
        let style = if line.contains("SANDBOX IS OFF") { Style::Bad } else { Style::Faint };
        context.print(&format!("{}\n", context.out.paint(style, &line)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, pipeline: &str) -> (String, Vec<u8>) {
        let text =
            format!("pipeline: {pipeline}\non: {{ push: {{}} }}\nstages: {{ a: {{ uses: b/c@1 }} }}\n");
        (name.to_owned(), text.into_bytes())
    }

    #[test]
    fn one_file_needs_no_name_and_several_do() {
        let two = || vec![file(".stageway/a.yaml", "one"), file(".stageway/b.yaml", "two")];
        assert_eq!(choose(vec![file("stageway.yaml", "one")], None).unwrap().0, "stageway.yaml");
        assert_eq!(choose(two(), Some("two")).unwrap().0, ".stageway/b.yaml");
        let unnamed = choose(two(), None).unwrap_err().downcast::<Refused>().unwrap();
        assert_eq!((unnamed.exit, unnamed.remedy.as_str()), (Exit::Usage, "name one of one, two"));
        let unknown = choose(two(), Some("three")).unwrap_err().downcast::<Refused>().unwrap();
        assert_eq!(unknown.remedy, "it has one, two");
    }
}
