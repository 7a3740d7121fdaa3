//! A run of files that a person sent instead of pushing them.
//!
//! *Guarantees.* It is what a pull request of a member out of the person's branch would be, and never more: trust `member`, so that
//! grants, secrets and connections are those that the policy opens there, and no environment at all, whatever the policy says of
//! one. It is of no commit: its revision is the digest of its tree and its ref is no branch, so that neither images nor environments
//! take it for one; no ref's history, concurrency group, forge or following pipeline hears of it. A proof of its stages counts for
//! runs of no more trust than its own, and says what was compared: the tree, not the name.

use super::pipelines::{MOST_BYTES, MOST_FILES};
use super::{Intake, Trouble, beside};
use crate::planner::{Prepared, Request, keep, make};
use crate::service::Place;
use serde_json::json;
use stageway_core::definition::{PIPELINE_FILE, is_pipeline_file, parse};
use stageway_core::delivery::{Preflight, Reference, Revision, cut};
use stageway_core::diagnostic::{Diagnostic, codes};
use stageway_core::event::{Event, MAX_TEXT, Trust};
use stageway_core::journal::canonical;
use stageway_core::name::{RepositoryId, RunId};
use stageway_core::policy::Policy;
use stageway_core::workspace::{Node, Tree};
use stageway_ports::{Admission, Beside, BlobError, Blobs, Claimed, Mirror, RunKey, Settlement, read_tree};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that one preflight is about.
struct Sent<'a> {
    claimed: &'a Claimed,
    repository: &'a RepositoryId,
    wanted: &'a Preflight,
    reference: Reference,
    revision: Revision,
    tree: Arc<Tree>,
}

impl Intake {
    pub(super) async fn preflight(
        &self,
        claimed: &Claimed,
        place: &Place,
        wanted: Preflight,
    ) -> Result<Settlement, Trouble> {
        let (Some(repository), Some(rules)) =
            (claimed.delivery.repository.as_ref(), self.site.tenants.get(&claimed.tenant))
        else {
            return Ok(self.settled("the tenant is not registered any more".into()));
        };
        let (reference, revision) =
            match (Preflight::reference(&wanted.branch), Preflight::revision(&wanted.tree)) {
                (Ok(reference), Ok(revision)) => (reference, revision),
                (Err(error), _) | (_, Err(error)) => return Ok(self.settled(error.to_string())),
            };
        let tree = match read_tree(&*self.blobs, &wanted.tree).await {
            Ok(tree) => tree,
            Err(BlobError::Missing(_)) => return Ok(self.settled("its files are gone".into())),
            Err(error) => return Err(Trouble::Later(error.to_string())),
        };
        let mirror = self.mirrors.open(&claimed.tenant, repository).await?;
        let base = base(&*mirror, place, &wanted).await?;
        let files = files(&*self.blobs, &tree).await?;
        let (file, bytes) = match choose(&files, &wanted) {
            Ok(chosen) => chosen,
            Err(problem) => {
                let mut settlement = self.settled(problem.message.clone());
                settlement.outcome.problems.push(problem);
                return Ok(settlement);
            }
        };
        let event = event(&wanted, (&reference, &revision), base);
        let policy = below_environments(&rules.policy);
        let parsed = parse(file, bytes);
        let beside = match &parsed.definition {
            Some(definition) => beside::of_tree(&*self.blobs, &tree, (file, definition)).await?,
            None => Beside::default(),
        };
        let request = Request {
            tenant: &claimed.tenant,
            parsed,
            beside: &beside,
            event: &event,
            parameters: &wanted.parameters,
            policy: &policy,
            changed: None,
        };
        let sent = Sent { claimed, repository, wanted: &wanted, reference, revision, tree: Arc::new(tree) };
        match make(&*self.guests, &*self.plugins, request).await {
            Ok(prepared) => self.run_of(&sent, prepared).await,
            Err(problems) => {
                let mut settlement = self.settled(format!("{file} cannot be run as it is"));
                settlement.outcome.problems = problems;
                Ok(settlement)
            }
        }
    }

    async fn run_of(&self, sent: &Sent<'_>, prepared: Prepared) -> Result<Settlement, Trouble> {
        let later = |error: &dyn std::fmt::Display| Trouble::Later(error.to_string());
        let id = RunId::new((self.ids)()).map_err(|error| later(&error))?;
        let pipeline = prepared.plan.pipeline.clone();
        let run = keep((&*self.blobs, &self.trees), self.clock.now_ms(), &id, prepared, &sent.tree).await;
        // Every wish is another run, also of the same files.
        let unique = json!({ "asked": sent.claimed.delivery.key.as_str() });
        let key = RunKey {
            repository: sent.repository.clone(),
            pipeline,
            reference: sent.reference.clone(),
            generation: 0,
            kind: RunKey::PREFLIGHT.to_owned(),
            parameters: canonical(&unique),
        };
        let admission = Admission {
            key,
            run: run.map_err(|error| later(&error))?,
            revision: sent.revision.clone(),
            delivery: Some(sent.claimed.delivery.id.clone()),
            concurrency: None,
            context: None,
            after: None,
            listened: false,
        };
        let tenant = &sent.claimed.tenant;
        let admitted = self.inbox.admit(tenant, admission).await?;
        tracing::info!(
            tenant.id = %tenant, run.id = %admitted.run, run.number = admitted.number, new = admitted.new,
            "files that were sent have a run"
        );
        let mut settlement = self.settled(format!("run {} for {}", admitted.number, sent.wanted.by));
        settlement.outcome.runs.push(admitted.run);
        Ok(settlement)
    }
}

/// The commit that changes are counted from: the person's, if it is to be had here, else the head of the branch that the files are
/// to enter; none if that is not there either, and everything has changed.
async fn base(mirror: &dyn Mirror, place: &Place, wanted: &Preflight) -> Result<Option<Revision>, Trouble> {
    let branches = [&wanted.target, &place.repository.default_branch];
    let refs: Vec<Reference> =
        branches.into_iter().filter_map(|branch| Reference::of_branch(branch).ok()).collect();
    let told: Vec<Revision> = wanted.base.iter().cloned().collect();
    let heads = mirror.fetch(&refs, &told).await?;
    if let Some(base) = &wanted.base
        && let Some(commit) = mirror.commit(base).await?
    {
        return Ok(Some(commit.revision));
    }
    Ok(refs.iter().find_map(|reference| heads.get(reference)).cloned())
}

/// Every pipeline file of a tree, in order.
async fn files(blobs: &dyn Blobs, tree: &Tree) -> Result<Vec<(String, Vec<u8>)>, Trouble> {
    let mut files = Vec::new();
    let named = tree.iter().filter(|(path, _)| is_pipeline_file(path.as_str()));
    for (path, node) in named.take(MOST_FILES) {
        if let Node::File { content, .. } = node
            && content.size <= MOST_BYTES
        {
            let bytes = blobs.get(&content.digest, MOST_BYTES).await;
            files.push((path.to_string(), bytes.map_err(|error| Trouble::Later(error.to_string()))?));
        }
    }
    Ok(files)
}

/// The pipeline file that is meant: the one with the name, or the only one.
fn choose<'a>(files: &'a [(String, Vec<u8>)], wanted: &Preflight) -> Result<(&'a str, &'a [u8]), Diagnostic> {
    let name = |(file, bytes): &(String, Vec<u8>)| parse(file, bytes).definition.map(|known| known.pipeline);
    let names: Vec<_> = files.iter().map(name).collect();
    let list: Vec<&str> = names.iter().flatten().map(|name| name.as_str()).collect();
    let found = match &wanted.pipeline {
        Some(wanted) => names.iter().position(|name| name.as_ref() == Some(wanted)),
        None if files.len() == 1 => Some(0),
        None => None,
    };
    if let Some((file, bytes)) = found.and_then(|index| files.get(index)) {
        return Ok((file, bytes));
    }
    let (message, remedy) = match (&wanted.pipeline, files.len()) {
        (_, 0) => (format!("the files have no {PIPELINE_FILE}"), "add it at the root of the tree".to_owned()),
        (Some(name), _) => (format!("the files have no pipeline `{name}`"), one_of(&list)),
        (None, many) => (format!("the files have {many} pipelines"), one_of(&list)),
    };
    Err(Diagnostic::error(codes::NOT_UNDERSTOOD, message, remedy))
}

fn one_of(names: &[&str]) -> String {
    format!("name one of {}", names.join(", "))
}

/// A pull request without a number. It is dirty, because no commit is known to have these files.
fn event(
    wanted: &Preflight,
    (reference, revision): (&Reference, &Revision),
    base: Option<Revision>,
) -> Event {
    let title = cut(&wanted.title, MAX_TEXT);
    let pull =
        Event::pull_request(&wanted.branch, &wanted.target, title, revision.to_string(), Trust::Member);
    Event {
        reference: reference.to_string(),
        base: base.map(|base| base.to_string()),
        message: wanted.message.as_deref().map(|message| cut(message, MAX_TEXT).to_owned()),
        by: Some(wanted.by.clone()),
        dirty: true,
        ..pull
    }
}

/// A policy that opens no environment: with none of its own only protected runs enter any.
fn below_environments(policy: &Policy) -> Policy {
    Policy { environments: BTreeMap::new(), ..policy.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(pipeline: Option<&str>) -> Preflight {
        Preflight {
            tree: stageway_core::digest::Digest::of(b"t"),
            pipeline: pipeline.map(|name| name.parse().unwrap()),
            branch: "main".into(),
            target: "main".into(),
            base: None,
            title: "t".into(),
            message: None,
            parameters: BTreeMap::new(),
            by: "ada".into(),
        }
    }

    fn file(name: &str, pipeline: &str) -> (String, Vec<u8>) {
        let text = format!("pipeline: {pipeline}\non: manual\nstages: {{ a: {{ uses: b/c@1 }} }}\n");
        (name.to_owned(), text.into_bytes())
    }

    #[test]
    fn it_is_a_pull_request_of_no_commit_and_no_branch() {
        let wanted = wanted(None);
        let reference = Preflight::reference(&wanted.branch).unwrap();
        let revision = Preflight::revision(&wanted.tree).unwrap();
        let event = event(&wanted, (&reference, &revision), None);
        assert_eq!(event.check(), []);
        assert_eq!((event.trust, event.dirty), (Trust::Member, true));
        assert_eq!((event.head(), event.branch.as_deref()), ("refs/preflight/main", None));
        assert_eq!(event.revision, wanted.tree.hex());
    }

    #[test]
    fn one_pipeline_needs_no_name_and_several_do() {
        let one = [file("stageway.yaml", "one")];
        let two = [file(".stageway/a.yaml", "one"), file(".stageway/b.yaml", "two")];
        assert_eq!(choose(&one, &wanted(None)).unwrap().0, "stageway.yaml");
        assert_eq!(choose(&two, &wanted(Some("two"))).unwrap().0, ".stageway/b.yaml");
        for (files, name, word) in [
            (&two[..], None, "2 pipelines"),
            (&two[..], Some("three"), "`three`"),
            (&[], None, "stageway.yaml"),
        ] {
            let problem = choose(files, &wanted(name)).unwrap_err();
            assert!(problem.message.contains(word), "{problem:?}");
        }
    }
}
