//! Skip with a proof: a stage whose complete inputs are the same has a known answer.

use crate::attempt::{Attempt, Mode, Subject};
use crate::engine::Engine;
use serde_json::{Value as Json, json};
use stageway_core::call::{Artifacts, Class, Function, Images, Invocation, Tasks, Value};
use stageway_core::digest::Digest;
use stageway_core::event::Trust;
use stageway_core::journal::{Cursor, Entry, Outcome};
use stageway_core::manifest::Skip;
use stageway_core::name::StageName;
use stageway_core::run::{AttemptEnding, Proof, RunEvent};
use stageway_core::task::Collected;
use stageway_ports::{Candidate, NewProof};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Candidates that are looked at.
const MOST_CANDIDATES: u32 = 5;

/// Everything that decides what a stage does, as one digest and in words.
#[derive(Debug, Clone)]
pub struct SkipKey {
    key: Digest,
    compared: BTreeMap<String, String>,
}

impl SkipKey {
    /// What a later run may be compared with.
    pub(crate) fn proof(&self, stage: &StageName, attempt: u32, trust: Trust) -> NewProof {
        NewProof {
            key: self.key,
            stage: stage.clone(),
            attempt,
            trust: rank(trust),
            compared: json!(self.compared),
        }
    }
}

fn rank(trust: Trust) -> u8 {
    match trust {
        Trust::Fork => 0,
        Trust::Member => 1,
        Trust::Protected => 2,
    }
}

/// The key of a stage; none for one that is never skipped.
pub(crate) async fn key(engine: &Engine, subject: &Subject) -> Option<SkipKey> {
    let planned = subject.planned();
    if planned.skip == Skip::Never || planned.environment.is_some() || planned.approval.is_some() {
        return None;
    }
    let toolbox =
        if planned.grants.tasks.is_some() { engine.executor.toolbox().await.ok()? } else { BTreeMap::new() };
    let short = |value: &Json| Digest::of_value(value).short();
    let mut compared = BTreeMap::new();
    compared.insert("plugin".to_owned(), format!("{} {}", planned.plugin.name, planned.plugin.digest));
    compared.insert("workspace".to_owned(), subject.tree_digest.to_string());
    compared.insert("configuration".to_owned(), short(&subject.configuration));
    compared.insert("environment variables".to_owned(), short(&json!([subject.env, planned.secrets])));
    compared.insert("services".to_owned(), short(&json!(subject.services)));
    compared.insert("caches".to_owned(), short(&json!(planned.caches)));
    compared.insert("artifacts".to_owned(), short(&json!(planned.artifacts)));
    compared.insert("limits".to_owned(), short(&json!([planned.limits, planned.task_limits])));
    compared.insert("grants".to_owned(), short(&json!(subject.grants)));
    compared.insert("sandbox".to_owned(), (!engine.rules.unconfined).to_string());
    for (name, fingerprint) in toolbox {
        compared.insert(format!("tool {name}"), fingerprint);
    }
    // Words are for people; the key holds the whole values.
    let whole = json!([
        compared,
        subject.configuration,
        subject.env,
        planned.secrets,
        subject.services,
        subject.grants
    ]);
    Some(SkipKey { key: Digest::of_value(&whole), compared })
}

/// The proof that a stage need not run, if there is one now.
pub async fn known(engine: &Arc<Engine>, subject: &Arc<Subject>) -> Option<Proof> {
    let key = key(engine, subject).await?;
    find(engine, subject, &key).await
}

/// The newest attempt with this key whose answers are still the same.
pub(crate) async fn find(engine: &Arc<Engine>, subject: &Arc<Subject>, key: &SkipKey) -> Option<Proof> {
    let trust = rank(subject.plan.trust());
    let candidates =
        engine.store.candidates(&subject.writer.tenant, &key.key, trust, MOST_CANDIDATES).await.ok()?;
    for candidate in candidates {
        if let Some(proof) = verify(engine, subject, key, &candidate).await {
            return Some(proof);
        }
    }
    None
}

async fn verify(
    engine: &Arc<Engine>,
    subject: &Arc<Subject>,
    key: &SkipKey,
    candidate: &Candidate,
) -> Option<Proof> {
    let tenant = &subject.writer.tenant;
    let records =
        engine.store.journal(tenant, &candidate.run, &candidate.stage, candidate.attempt).await.ok()?;
    let cursor = Cursor::new(records).ok()?;
    let end = cursor.end()?;
    if !matches!(end.outcome, Outcome::Ok(_)) {
        return None;
    }
    let (outputs, artifacts) = results(engine, subject, candidate).await?;
    for what in artifacts.values() {
        engine.blobs.size(&what.digest()).await.ok()??;
    }
    let (_keep, cancel) = watch::channel(false);
    let mut asking = Attempt::new(engine.clone(), subject.clone(), Mode::Live, Cursor::default(), cancel);
    let mut asked_again = 0;
    for fact in &end.facts {
        if counts(&fact.call) {
            asked_again += 1;
            if asking.fact_again(&fact.call) != fact.answer {
                return None;
            }
        }
    }
    for entry in cursor.entries() {
        match holds(&mut asking, entry, &cursor).await {
            Held::Same(asked) => asked_again += asked,
            Held::Differs => return None,
        }
    }
    Some(Proof {
        key: key.key,
        run: candidate.run.clone(),
        attempt: candidate.attempt,
        compared: key.compared.clone(),
        asked_again,
        outputs,
        artifacts,
    })
}

enum Held {
    Same(u32),
    Differs,
}

/// Run id, key and attempt do not count.
fn counts(fact: &Function) -> bool {
    !matches!(fact, Function::Invocation(Invocation::RunId | Invocation::Key | Invocation::Attempt))
}

/// Whether an entry would come out the same now.
async fn holds(asking: &mut Attempt, entry: &Entry, cursor: &Cursor) -> Held {
    let same = |holds: bool| if holds { Held::Same(1) } else { Held::Differs };
    match &entry.call {
        Function::Cluster(_) | Function::Approvals(_) | Function::Http(_) | Function::Environments(_) => {
            Held::Differs
        }
        Function::Invocation(_) | Function::Clock(_) => Held::Same(0),
        Function::Tasks(Tasks::Start { .. }) => {
            let images =
                cursor.intent(entry.seq).map(|intent| intent.state["images"].clone()).unwrap_or_default();
            let images = images.as_object().cloned().unwrap_or_default();
            for (reference, digest) in &images {
                if asking.image_digest(reference).await.map(|now| json!(now)) != Some(digest.clone()) {
                    return Held::Differs;
                }
            }
            Held::Same(images.len() as u32)
        }
        Function::Images(Images::Push { repository, .. }) => {
            let Ok(Value::Text(digest)) = &entry.answer else { return Held::Differs };
            same(asking.image_digest(&format!("{repository}@{digest}")).await.is_some())
        }
        Function::Images(Images::Copy { target, digest, .. }) => {
            same(asking.image_digest(&format!("{target}@{digest}")).await.is_some())
        }
        Function::Images(Images::Tag { repository, tag, digest, .. }) => {
            let now = asking.image_digest(&format!("{repository}:{tag}")).await.map(|now| now.to_string());
            same(now.as_ref() == Some(digest))
        }
        Function::Artifacts(Artifacts::Save { .. } | Artifacts::Put { .. }) => {
            same(asking.still_there(&entry.answer).await)
        }
        call if call.class() == Class::Read => {
            same(asking.read_again(call).await.as_ref() == Some(&entry.answer))
        }
        _ => Held::Same(0),
    }
}

/// Outputs and artifacts of the candidate, from the events of its run.
async fn results(
    engine: &Engine,
    subject: &Subject,
    candidate: &Candidate,
) -> Option<(serde_json::Map<String, Json>, BTreeMap<String, Collected>)> {
    let record = engine.store.run(&subject.writer.tenant, &candidate.run).await.ok()??;
    record.events.into_iter().find_map(|event| match event {
        RunEvent::AttemptEnded {
            stage,
            attempt,
            ending: AttemptEnding::Succeeded { outputs, artifacts },
            ..
        } if stage == candidate.stage && attempt == candidate.attempt => Some((outputs, artifacts)),
        _ => None,
    })
}
