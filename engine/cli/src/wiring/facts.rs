//! What a summary shows, out of the store.

use crate::terminal::{ImageFact, PARTS, Summary, TaskFact, TestCounts, run_in_words};
use anyhow::Result;
use stageway_conductor::driver::{Loaded, load};
use stageway_core::call::{Ending, Function, Images, Outcome, Value};
use stageway_core::journal::{Entry, Record};
use stageway_core::log::{Report, ReportKind};
use stageway_core::name::{RunId, StageName, TenantId};
use stageway_core::run::{Ended, SkipReason};
use stageway_ports::{RunFilter, Store};
use std::collections::{BTreeMap, BTreeSet};

/// Earlier runs whose numbers are at hand.
const NUMBERS: u32 = 1_000;

/// Numbers of the newest runs by their ids.
///
/// # Errors
/// The store's.
pub(crate) async fn numbers(store: &dyn Store, tenant: &TenantId) -> Result<BTreeMap<RunId, u64>> {
    let runs = store.runs(tenant, &RunFilter { max: NUMBERS, ..RunFilter::default() }).await?;
    Ok(runs.into_iter().map(|run| (run.id, run.number)).collect())
}

/// The summary of a run.
///
/// # Errors
/// The store's; a run that is not there or not readable.
pub(crate) async fn summary(store: &dyn Store, tenant: &TenantId, run: &RunId) -> Result<Summary> {
    let loaded = load(store, tenant, run).await?;
    let numbers = numbers(store, tenant).await?;
    let (mut tests, mut images, mut limits_by) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    let mut tasks = Vec::new();
    let mut reports: BTreeMap<RunId, Vec<Report>> = BTreeMap::new();
    for (stage, source, attempt) in sources(&loaded, run) {
        if !reports.contains_key(&source) {
            reports.insert(source.clone(), store.reports(tenant, &source).await?);
        }
        let of_attempt = |report: &&Report| report.stage == stage && report.attempt == attempt;
        for report in reports[&source].iter().filter(of_attempt) {
            if report.kind == ReportKind::Tests {
                tests.entry(stage.clone()).or_insert_with(TestCounts::default).add(&report.body);
            }
        }
        let journal = store.journal(tenant, &source, &stage, attempt).await?;
        let before = (source != *run).then(|| run_in_words(&numbers, &source));
        images.extend(journal.iter().filter_map(|record| image(&stage, record)).map(|mut fact| {
            fact.outcome.extend(before.iter().map(|run| format!(" in {run}")));
            fact
        }));
        tasks.extend(journal.iter().filter_map(|record| task(&stage, record)));
        limits_by.extend(journal.iter().filter_map(enforced_by));
    }
    Ok(Summary {
        run: run.clone(),
        number: loaded.number,
        pipeline: loaded.plan.pipeline.clone(),
        state: loaded.state,
        tests,
        images,
        tasks,
        limits_by,
        numbers,
        elsewhere: false,
        waits: None,
    })
}

/// The attempt that each stage's results come from: its own last one, or the one that it equals.
fn sources(loaded: &Loaded, run: &RunId) -> Vec<(StageName, RunId, u32)> {
    let of = |(name, stage): (&StageName, &stageway_core::run::StageState)| match stage.ended() {
        Some(Ended::Skipped(SkipReason::Unchanged(proof))) => {
            Some((name.clone(), proof.run.clone(), proof.attempt))
        }
        _ if stage.attempts > 0 => Some((name.clone(), run.clone(), stage.attempts)),
        _ => None,
    };
    loaded.state.stages.iter().filter_map(of).collect()
}

/// What an entry of a journal did to an image.
fn image(stage: &StageName, record: &Record) -> Option<ImageFact> {
    let Record::Entry(entry) = record else { return None };
    let Entry { call: Function::Images(call), answer: Ok(answer), .. } = &**entry else { return None };
    let (repository, tag, digest) = match call {
        Images::Push { repository, .. } => (repository, None, pushed(answer)?),
        Images::Tag { repository, digest, tag, .. } => (repository, Some(tag.clone()), digest.clone()),
        Images::Copy { target, digest, .. } => (target, None, digest.clone()),
        Images::Find { .. } | Images::Tags { .. } | Images::Manifest { .. } | Images::Facts { .. } => {
            return None;
        }
    };
    let outcome = match (call, answer) {
        (Images::Push { .. }, _) => "pushed",
        (Images::Copy { .. }, Value::Outcome(Outcome::Created)) => "copied",
        (_, Value::Outcome(Outcome::Created)) => "created",
        (_, Value::Outcome(Outcome::Already)) => "already there",
        (_, Value::Outcome(Outcome::Moved)) => "moved",
        _ => return None,
    };
    Some(ImageFact {
        stage: stage.clone(),
        repository: repository.clone(),
        tag,
        digest,
        outcome: outcome.into(),
    })
}

/// How long the parts of a task took that ended here.
fn task(stage: &StageName, record: &Record) -> Option<TaskFact> {
    let ending = ending(record)?;
    let part = |(key, _)| Some((key, ending.details[key].as_u64()?));
    Some(TaskFact { stage: stage.clone(), times: PARTS.into_iter().filter_map(part).collect() })
}

/// By what the limits of a task were enforced that ended here.
fn enforced_by(record: &Record) -> Option<String> {
    ending(record)?.details["limits-by"].as_str().map(str::to_owned)
}

fn ending(record: &Record) -> Option<&Ending> {
    let Record::Entry(entry) = record else { return None };
    let Ok(Value::Ending(ending)) = &entry.answer else { return None };
    Some(ending)
}

fn pushed(answer: &Value) -> Option<String> {
    match answer {
        Value::Text(digest) => Some(digest.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::call::Answer;

    fn told(call: Images, answer: Answer) -> Option<(String, Option<String>, String)> {
        let entry = Entry { seq: 1, at: 1, call: Function::Images(call), answer };
        let stage = StageName::new("image").unwrap();
        image(&stage, &Record::Entry(Box::new(entry))).map(|fact| (fact.repository, fact.tag, fact.outcome))
    }

    #[test]
    fn pushes_copies_and_tags_are_told_and_reads_are_not() {
        let (repository, digest) = ("build/a".to_owned(), "sha256:12".to_owned());
        let push = Images::Push {
            repository: repository.clone(),
            manifest: "{}".into(),
            media_type: "application/x".into(),
        };
        let answer = Ok(Value::Text(digest.clone()));
        assert_eq!(told(push.clone(), answer), Some(("build/a".into(), None, "pushed".into())));
        assert_eq!(told(push, Err(stageway_core::call::HostError::NotFound("x".into()))), None);
        let tag = Images::Tag {
            repository: repository.clone(),
            digest: digest.clone(),
            tag: "v1".into(),
            replaces: None,
        };
        let moved = told(tag, Ok(Value::Outcome(Outcome::Moved)));
        assert_eq!(moved, Some(("build/a".into(), Some("v1".into()), "moved".into())));
        let copy = Images::Copy { repository: repository.clone(), digest, target: "production/a".into() };
        let copied = told(copy, Ok(Value::Outcome(Outcome::Created)));
        assert_eq!(copied, Some(("production/a".into(), None, "copied".into())));
        let tags = Images::Tags { repository, after: None, max: 1 };
        assert_eq!(told(tags, Ok(Value::Texts(vec![]))), None);
    }
}
