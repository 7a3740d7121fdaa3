//! The event that a start is, with its trust.

use super::start::Start;
use crate::service::Place;
use stageway_core::delivery::{Revision, cut};
use stageway_core::event::{Event, EventKind, MAX_TEXT, Trust};
use stageway_ports::CommitFacts;

/// A push to a protected ref is believed most, one to another ref and a pull request of the repository itself as a member's,
/// and a pull request out of a fork as anybody's.
pub(super) fn event(place: &Place, start: &Start, commit: &CommitFacts, base: Option<&Revision>) -> Event {
    let revision = commit.revision.to_string();
    let mut event = match &start.pull_request {
        Some(pull) => {
            let trust = if pull.fork { Trust::Fork } else { Trust::Member };
            let mut event =
                Event::pull_request(&pull.source.branch, &pull.target, &pull.title, revision, trust);
            event.number = Some(pull.number);
            event
        }
        None => push(place, start, revision),
    };
    event.reference = start.moved.reference.to_string();
    event.base = base.map(Revision::to_string);
    event.message = Some(cut(&commit.message, MAX_TEXT).to_owned());
    event.author.clone_from(&commit.author);
    event.by.clone_from(&start.by);
    event
}

/// The event of a run that somebody or something of ours asked for. Nobody gets more trust by asking than the branch has.
pub(super) fn asked(kind: EventKind, place: &Place, start: &Start, commit: &CommitFacts) -> Event {
    let pushed = event(place, start, commit, None);
    let branch = start.moved.reference.branch();
    let is_default = branch == Some(place.repository.default_branch.as_str());
    // A schedule stands in the file of the default branch, and only those who may change that write one.
    let trust = if kind == EventKind::Schedule && is_default { Trust::Protected } else { pushed.trust };
    Event { kind, branch: None, tag: None, trust, ..pushed }
}

fn push(place: &Place, start: &Start, revision: String) -> Event {
    let reference = &start.moved.reference;
    let name = reference.branch().or(reference.tag()).unwrap_or(reference.as_str());
    let trust = if place.repository.protects(name) { Trust::Protected } else { Trust::Member };
    match reference.tag() {
        None => Event::push(name, revision, trust),
        Some(tag) => Event {
            kind: EventKind::Tag,
            branch: None,
            tag: Some(tag.to_owned()),
            ..Event::push("", revision, trust)
        },
    }
}
