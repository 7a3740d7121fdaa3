//! What git says of the heads that a delivery tells of.
//!
//! Nothing is fetched where nothing can come of it: the commits that a signed delivery tells of are here, and there is no
//! doubt that its move is the newest. Otherwise one fetch serves all deliveries of the repository that wait.

use super::start::Start;
use super::{Intake, Trouble};
use crate::service::Place;
use stageway_core::delivery::{Reference, Revision};
use stageway_core::name::RepositoryId;
use stageway_ports::{Claimed, CommitFacts, Mirror, SourceError};
use std::collections::{BTreeMap, BTreeSet};

/// The heads that matter to some starts.
#[derive(Debug, Default)]
pub(super) struct Heads {
    known: BTreeMap<Reference, Revision>,
    /// Whether they are what the remote has, and not only what deliveries told.
    is_fetched: bool,
}

impl Heads {
    /// Those that a fetch found.
    pub(super) fn fetched(known: BTreeMap<Reference, Revision>) -> Self {
        Self { known, is_fetched: true }
    }

    /// What is known, from whomever.
    pub(super) fn known(&self, reference: &Reference) -> Option<&Revision> {
        self.known.get(reference)
    }

    /// What a fetch found.
    pub(super) fn found(&self, reference: &Reference) -> Option<&Revision> {
        self.known(reference).filter(|_| self.is_fetched)
    }
}

impl Intake {
    /// The heads that matter to starts for which nothing needs to be fetched; none if something does.
    ///
    /// A delivery that was tried before may have been broken off by what is fetched here. Of a pull request the head that it
    /// is compared with has to be the newest, because members judge by what has changed.
    pub(super) async fn at_hand(
        &self,
        (claimed, repository, place): (&Claimed, &RepositoryId, &Place),
        mirror: &dyn Mirror,
        starts: &[Start],
    ) -> Result<Option<Heads>, Trouble> {
        if claimed.delivery.attempts > 1 {
            return Ok(None);
        }
        let mut known = BTreeMap::new();
        for start in starts {
            if !start.is_undoubted() {
                return Ok(None);
            }
            for revision in start.moved.after.iter().chain(&start.moved.before) {
                if mirror.commit(revision).await?.is_none() {
                    return Ok(None);
                }
            }
            let Some(default) = compared_with_default(place, start) else { continue };
            let told = self.inbox.head(&claimed.tenant, repository, &default).await?;
            let head = match told {
                Some(told) => mirror.commit(&told).await?.map(|_| told),
                // Since it was registered nobody has pushed to it.
                None => mirror.last_head(&default).await?,
            };
            let Some(head) = head else { return Ok(None) };
            known.insert(default, head);
        }
        Ok(Some(Heads { known, is_fetched: false }))
    }
}

/// The default branch where a new ref is compared with it. When it is new itself there was nothing before it, whatever follows.
fn compared_with_default(place: &Place, start: &Start) -> Option<Reference> {
    let is_new = start.pull_request.is_none() && start.moved.before.is_none();
    let default = Reference::of_branch(&place.repository.default_branch).ok();
    default.filter(|default| is_new && start.moved.reference != *default)
}

/// Fetches every ref that is told of and those that they are compared with.
pub(super) async fn fetch(
    mirror: &dyn Mirror,
    place: &Place,
    starts: &[Start],
) -> Result<Heads, SourceError> {
    let mut refs: BTreeSet<Reference> = starts.iter().filter_map(Start::fetched_from).collect();
    for start in starts {
        refs.extend(compared_with_default(place, start));
        let target = start.pull_request.as_ref().map(|pull| Reference::of_branch(&pull.target));
        refs.extend(target.and_then(Result::ok));
    }
    let moved = starts.iter().flat_map(|start| start.moved.after.iter().chain(&start.moved.before));
    let revisions: BTreeSet<Revision> = moved.cloned().collect();
    let refs: Vec<_> = refs.into_iter().collect();
    let revisions: Vec<_> = revisions.into_iter().collect();
    Ok(Heads::fetched(mirror.fetch(&refs, &revisions).await?))
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
    let found = start.fetched_from().and_then(|reference| heads.found(&reference));
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
    let head_of = |branch: &str| Reference::of_branch(branch).ok().and_then(|one| heads.known(&one));
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
    match compared_with_default(place, start).and_then(|default| heads.known(&default)) {
        Some(default) if default != commit => Ok(mirror.parted(default, commit).await?),
        _ => Ok(None),
    }
}
