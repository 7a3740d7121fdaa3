//! Which pipelines a start has, and what becomes of each.

use super::event::event;
use super::heads::{Heads, Standing, base, standing};
use super::start::Start;
use super::{Intake, Trouble, beside};
use crate::planner::{Prepared, Request, keep, make};
use crate::service::Place;
use serde_json::Value as Json;
use stageway_core::definition::{
    Definition, PIPELINE_FILE, PIPELINE_FOLDER, Parsed, is_pipeline_file, parse,
};
use stageway_core::delivery::{ReportState, Revision, StatusReport};
use stageway_core::diagnostic::{Diagnostic, any_error};
use stageway_core::event::{Event, EventKind};
use stageway_core::name::{PipelineName, RepositoryId, RunId};
use stageway_core::policy::Policy;
use stageway_core::workspace::Tree;
use stageway_ports::{
    Admission, Beside, Claimed, Mirror, NewStatus, RunKey, Settlement, Skipped, Source, SourceError,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// A pipeline file has at most this many bytes; more is told by its parser.
pub(super) const MOST_BYTES: u64 = 2 << 20;
/// A repository has at most this many pipelines.
pub(super) const MOST_FILES: usize = 100;
/// With more changed paths everything may have changed.
const MOST_CHANGES: u32 = 200_000;

/// Everything that one start is about.
pub(super) struct About<'a> {
    pub(super) claimed: &'a Claimed,
    pub(super) repository: &'a RepositoryId,
    pub(super) place: &'a Place,
    pub(super) policy: &'a Policy,
    pub(super) mirror: &'a dyn Mirror,
    pub(super) heads: &'a Heads,
    pub(super) start: &'a Start,
    pub(super) asked: &'a Asked,
}

/// What whoever asked for a run adds to it.
#[derive(Default)]
pub(super) struct Asked {
    /// What a person gave.
    pub(super) parameters: BTreeMap<String, Json>,
    /// Makes its run another than that of the same head without it.
    pub(super) unique: String,
    /// The run that it follows.
    pub(super) after: Option<RunId>,
    /// Only this pipeline, whatever its `on` says.
    pub(super) only: Option<PipelineName>,
}

/// A start whose commit is there.
pub(super) struct Known<'a> {
    about: &'a About<'a>,
    event: Event,
    revision: Revision,
    source: Arc<dyn Source>,
    changed: Option<Vec<String>>,
    tree: OnceCell<Arc<Tree>>,
    /// Pipelines of the commit that others wait for.
    listened: BTreeSet<PipelineName>,
}

impl<'a> Known<'a> {
    pub(super) fn new(
        about: &'a About<'a>,
        event: Event,
        revision: Revision,
        source: Arc<dyn Source>,
    ) -> Self {
        Self {
            about,
            event,
            revision,
            source,
            changed: None,
            tree: OnceCell::new(),
            listened: BTreeSet::new(),
        }
    }

    /// What the commit has, with its bytes in the blobs.
    async fn tree(&self) -> Result<&Arc<Tree>, SourceError> {
        self.tree.get_or_try_init(|| async { self.source.tree().await.map(Arc::new) }).await
    }
}

impl Intake {
    /// Takes one ref in; answers what became of it, in words.
    pub(super) async fn start(
        &self,
        about: &About<'_>,
        settlement: &mut Settlement,
    ) -> Result<String, Trouble> {
        let reference = &about.start.moved.reference;
        if let Some(found) = about.heads.found(reference) {
            settlement.found.push((reference.clone(), found.clone()));
        }
        match standing(about.mirror, about.heads, about.start).await? {
            Standing::Current(commit) => {
                let base =
                    base(about.mirror, about.place, about.heads, about.start, &commit.revision).await?;
                let source = about.mirror.at(&commit.revision, base.as_ref());
                let changed = match &base {
                    Some(_) => changed(&*source).await?,
                    None => None,
                };
                let event = event(about.place, about.start, &commit, base.as_ref());
                let revision = commit.revision;
                let mut known = Known { changed, ..Known::new(about, event, revision, source) };
                self.pipelines(&mut known, settlement).await
            }
            Standing::Repeated => {
                settlement.late.push(reference.clone());
                Ok("was told before".into())
            }
            Standing::Outdated(later) => {
                settlement.late.push(reference.clone());
                self.outdated(about, &later, settlement).await?;
                Ok(format!("outdated: {later} contains it and was known before"))
            }
            Standing::Lost(revision) => Ok(format!("commit {revision} is not to be had any more")),
        }
    }

    pub(super) async fn pipelines(
        &self,
        known: &mut Known<'_>,
        settlement: &mut Settlement,
    ) -> Result<String, Trouble> {
        let files = files(known.about.mirror, &known.revision).await?;
        if files.is_empty() {
            return Ok(format!("the commit has no {PIPELINE_FILE}"));
        }
        let parsed = |(file, bytes): (String, Vec<u8>)| (parse(&file, &bytes), file);
        let files: Vec<(Parsed, String)> = files.into_iter().map(parsed).collect();
        known.listened = listened(&files);
        for (parsed, file) in files {
            self.pipeline(known, &file, parsed, settlement).await?;
        }
        let Settlement { outcome, runs, .. } = settlement;
        Ok(format!(
            "{} started, {} skipped, {}",
            count(runs.len(), "run"),
            count(outcome.skipped.len(), "pipeline"),
            count(outcome.problems.len(), "problem")
        ))
    }

    async fn pipeline(
        &self,
        known: &mut Known<'_>,
        file: &str,
        parsed: Parsed,
        settlement: &mut Settlement,
    ) -> Result<(), Trouble> {
        let only = known.about.asked.only.as_ref();
        let named = parsed.definition.as_ref().map(|definition| &definition.pipeline);
        if only.is_some() && only != named {
            return Ok(());
        }
        let Some(definition) = parsed.valid() else {
            let name = parsed.definition.as_ref().map(|definition| definition.pipeline.as_str());
            wrong(known, name.unwrap_or(file), parsed.diagnostics, settlement);
            return Ok(());
        };
        let selected = match only {
            Some(_) => Selected::Yes,
            None => selects(definition, &known.event, known.changed.as_deref()),
        };
        match selected {
            Selected::No => {}
            Selected::Skipped(reason) => skip(known, &definition.pipeline, reason, settlement),
            Selected::Yes => {
                let name = definition.pipeline.clone();
                let beside =
                    beside::of_commit(known.about.mirror, &known.revision, (file, definition)).await?;
                // Most of what a plan waits for is not what a tree waits for.
                match tokio::join!(self.plan(known, parsed, &beside), known.tree()).0 {
                    Ok(prepared) => settlement.runs.push(self.admission(known, prepared).await?),
                    Err(problems) => wrong(known, name.as_str(), problems, settlement),
                }
            }
        }
        Ok(())
    }

    async fn plan(
        &self,
        known: &Known<'_>,
        parsed: Parsed,
        beside: &Beside,
    ) -> Result<Prepared, Vec<Diagnostic>> {
        let request = Request {
            tenant: &known.about.claimed.tenant,
            parsed,
            beside,
            event: &known.event,
            parameters: &known.about.asked.parameters,
            policy: known.about.policy,
            changed: known.changed.as_deref(),
        };
        make(&*self.guests, &*self.plugins, request).await
    }

    async fn admission(&self, known: &Known<'_>, prepared: Prepared) -> Result<Admission, Trouble> {
        let later = |error: &dyn std::fmt::Display| Trouble::Later(error.to_string());
        let tree = known.tree().await?;
        let id = RunId::new((self.ids)()).map_err(|error| later(&error))?;
        let concurrency = prepared.plan.concurrency.clone();
        let pipeline = prepared.plan.pipeline.clone();
        let run = keep((&*self.blobs, &self.trees), self.clock.now_ms(), &id, prepared, tree).await;
        Ok(Admission {
            key: key(known, &pipeline),
            run: run.map_err(|error| later(&error))?,
            revision: known.revision.clone(),
            delivery: Some(known.about.claimed.delivery.id.clone()),
            concurrency,
            context: Some(context(pipeline.as_str(), known.event.kind)),
            after: known.about.asked.after.clone(),
            listened: known.listened.contains(&pipeline),
        })
    }

    /// Tells of every pipeline that would have been started that a later head is there.
    async fn outdated(
        &self,
        about: &About<'_>,
        later: &Revision,
        settlement: &mut Settlement,
    ) -> Result<(), Trouble> {
        let Some(after) = &about.start.moved.after else { return Ok(()) };
        let Some(commit) = about.mirror.commit(after).await? else { return Ok(()) };
        let event = event(about.place, about.start, &commit, None);
        let source = about.mirror.at(&commit.revision, None);
        let revision = commit.revision;
        let known = Known::new(about, event, revision, source);
        for (file, bytes) in files(about.mirror, &known.revision).await? {
            let parsed = parse(&file, &bytes);
            let Some(definition) = parsed.valid() else { continue };
            if let Selected::Yes = selects(definition, &known.event, None) {
                let reason = format!("outdated: {} was there before", short(later));
                skip(&known, &definition.pipeline, reason, settlement);
            }
        }
        Ok(())
    }
}

/// The pipelines whose success others of the same commit wait for.
fn listened(files: &[(Parsed, String)]) -> BTreeSet<PipelineName> {
    let definitions = files.iter().filter_map(|(parsed, _)| parsed.definition.as_ref());
    definitions.flat_map(|definition| &definition.on.pipeline).map(|rule| rule.name.clone()).collect()
}

/// Every pipeline file of a commit, in order.
pub(crate) async fn files(
    mirror: &dyn Mirror,
    revision: &Revision,
) -> Result<Vec<(String, Vec<u8>)>, SourceError> {
    let mut paths = vec![PIPELINE_FILE.to_owned()];
    paths.extend(mirror.folder(revision, PIPELINE_FOLDER).await?);
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| is_pipeline_file(path)).take(MOST_FILES) {
        if let Some(bytes) = mirror.file(revision, &path, MOST_BYTES).await? {
            files.push((path, bytes));
        }
    }
    Ok(files)
}

/// The changed paths; none if they are too many to be looked at.
async fn changed(source: &dyn Source) -> Result<Option<Vec<String>>, Trouble> {
    match source.changed_files(None, None, MOST_CHANGES).await {
        Ok(changed) if changed.len() < MOST_CHANGES as usize => Ok(Some(changed)),
        // Histories without a common commit have nothing to be compared.
        Ok(_) | Err(SourceError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

enum Selected {
    Yes,
    /// The pipeline minds events of this kind, but not this one.
    Skipped(String),
    /// It does not mind events of this kind at all.
    No,
}

fn selects(definition: &Definition, event: &Event, changed: Option<&[String]>) -> Selected {
    let on = &definition.on;
    if on.select(event, changed) {
        return Selected::Yes;
    }
    let minds = match event.kind {
        EventKind::Push => {
            on.push.as_ref().is_some_and(|rule| !rule.branches.is_empty() || rule.tags.is_empty())
        }
        EventKind::Tag => on.push.as_ref().is_some_and(|rule| !rule.tags.is_empty()),
        EventKind::PullRequest => on.pull_request.is_some(),
        EventKind::Schedule | EventKind::Manual | EventKind::Pipeline => false,
    };
    match minds {
        false => Selected::No,
        true if on.select(event, None) => Selected::Skipped("no path that it minds has changed".into()),
        true => Selected::Skipped(format!("it does not mind {}", event.reference)),
    }
}

fn key(known: &Known<'_>, pipeline: &PipelineName) -> RunKey {
    // A pull request that wants to enter another branch is asked again.
    let target = known.event.target.as_deref();
    let unique = &known.about.asked.unique;
    RunKey {
        repository: known.about.repository.clone(),
        pipeline: pipeline.clone(),
        reference: known.about.start.moved.reference.clone(),
        generation: known.about.start.generation,
        kind: known.event.kind.to_string(),
        parameters: target.map_or_else(|| unique.clone(), |target| format!("target={target}")),
    }
}

/// The name at the forge: pushes and pull requests of one commit have a row each.
pub(super) fn context(pipeline: &str, kind: EventKind) -> String {
    format!("stageway/{pipeline}/{kind}")
}

fn skip(known: &Known<'_>, pipeline: &PipelineName, reason: String, settlement: &mut Settlement) {
    status(known, pipeline.as_str(), (ReportState::Skipped, reason.clone()), settlement);
    settlement.outcome.skipped.push(Skipped { pipeline: pipeline.clone(), reason });
}

fn wrong(known: &Known<'_>, name: &str, problems: Vec<Diagnostic>, settlement: &mut Settlement) {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let first = problems.iter().find(|problem| problem.is_error());
    let first = first.map(|problem| {
        let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        format!("{place}{} [{}]", problem.message, problem.code)
    });
    let description = format!("{}: {}", count(errors, "problem"), first.unwrap_or_default());
    debug_assert!(any_error(&problems), "only errors stop a pipeline");
    // Who asked reads the problems in the answer; the commit is as good as it was.
    if known.event.kind != EventKind::Manual {
        status(known, name, (ReportState::Errored, description), settlement);
    }
    settlement.outcome.problems.extend(problems);
}

fn status(
    known: &Known<'_>,
    name: &str,
    (state, description): (ReportState, String),
    settlement: &mut Settlement,
) {
    let report = StatusReport { context: context(name, known.event.kind), state, description, link: None };
    settlement.statuses.push(NewStatus {
        repository: known.about.repository.clone(),
        revision: known.revision.clone(),
        report,
    });
}

fn short(revision: &Revision) -> &str {
    revision.as_str().get(..12).unwrap_or(revision.as_str())
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
