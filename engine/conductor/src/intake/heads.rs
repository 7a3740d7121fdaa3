//! What git says of the heads that a delivery tells of.

use super::Trouble;
use super::start::Start;
use crate::service::Place;
use stageway_core::delivery::{Reference, Revision};
use stageway_ports::{CommitFacts, Mirror, SourceError};
use std::collections::{BTreeMap, BTreeSet};

/// The heads that the fetch found.
pub(super) type Heads = BTreeMap<Reference, Revision>;

/// Fetches every ref that is told of and those that they are compared with.
pub(super) async fn fetch(
    mirror: &dyn Mirror,
    place: &Place,
    starts: &[Start],
) -> Result<Heads, SourceError> {
    let mut refs: BTreeSet<Reference> = starts.iter().filter_map(Start::fetched_from).collect();
    let default = Reference::of_branch(&place.repository.default_branch).ok();
    for start in starts {
        match &start.pull_request {
            Some(pull) => refs.extend(Reference::of_branch(&pull.target).ok()),
            None if start.moved.before.is_none() => refs.extend(default.clone()),
            None => {}
        }
    }
    let moved = starts.iter().flat_map(|start| start.moved.after.iter().chain(&start.moved.before));
    let revisions: BTreeSet<Revision> = moved.cloned().collect();
    let refs: Vec<_> = refs.into_iter().collect();
    let revisions: Vec<_> = revisions.into_iter().collect();
    mirror.fetch(&refs, &revisions).await
}

/// Whether a move still starts something.
#[derive(Debug)]
pub(super) enum Standing {
    /// It does; this is its commit.
    Current(CommitFacts),
    /// Somebody told of it before, and had what it starts.
    Repeated,
    /// A later head that contains it was known before it came.
    Outdated(Revision),
    /// Its commit is nowhere to be had.
    Lost(Revision),
}

/// Compares a told move with what the fetch found.
pub(super) async fn standing(mirror: &dyn Mirror, heads: &Heads, start: &Start) -> Result<Standing, Trouble> {
    let Some(after) = &start.moved.after else { return Ok(Standing::Repeated) };
    let commit = mirror.commit(after).await?;
    let found = start.fetched_from().and_then(|reference| heads.get(&reference));
    let is_head = match (found, &commit) {
        (Some(found), _) if found == after => true,
        // Some forges tell of the commit that an annotated tag leads to.
        (Some(found), Some(commit)) if start.moved.reference.tag().is_some() => {
            mirror.commit(found).await?.is_some_and(|tagged| tagged.revision == commit.revision)
        }
        _ => false,
    };
    if !is_head {
        if start.repeated {
            return Ok(Standing::Repeated);
        }
        if let Some(known) = &start.known
            && known != after
            && start.moved.before.as_ref() != Some(known)
            && mirror.contains(known, after).await?
        {
            return Ok(Standing::Outdated(known.clone()));
        }
    }
    Ok(match commit {
        Some(commit) => Standing::Current(commit),
        None => Standing::Lost(after.clone()),
    })
}

/// What the changes of a start are counted from; none if there is nothing, and everything has changed.
pub(super) async fn base(
    mirror: &dyn Mirror,
    place: &Place,
    heads: &Heads,
    start: &Start,
    commit: &Revision,
) -> Result<Option<Revision>, Trouble> {
    let head_of = |branch: &str| Reference::of_branch(branch).ok().and_then(|one| heads.get(&one));
    if let Some(pull) = &start.pull_request {
        return match head_of(&pull.target) {
            Some(target) => Ok(mirror.parted(target, commit).await?),
            None => Ok(None),
        };
    }
    if let Some(before) = &start.moved.before {
        // After a push by force the head before may be gone for good.
        return Ok(mirror.commit(before).await?.map(|facts| facts.revision));
    }
    match head_of(&place.repository.default_branch) {
        Some(default) if default != commit => Ok(mirror.parted(default, commit).await?),
        _ => Ok(None),
    }
}
