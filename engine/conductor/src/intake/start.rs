//! What of a delivery may start runs: one entry for each ref.

use stageway_core::delivery::{Meaning, PullRequest, Reference, Revision};
use stageway_ports::{Moved, PlacedMove};

/// A ref whose new head may start runs.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) moved: Moved,
    pub(super) generation: u64,
    pub(super) repeated: bool,
    pub(super) known: Option<Revision>,
    /// The account that caused it.
    pub(super) by: Option<String>,
    /// None is a push.
    pub(super) pull_request: Option<PullRequest>,
}

impl Start {
    /// Whether nothing but its commit decides what becomes of it: a push that nobody told of before, from the head that was
    /// known then.
    pub(super) fn is_undoubted(&self) -> bool {
        let Moved { before, after, .. } = &self.moved;
        let follows = self.known.is_none() || self.known == *before || self.known == *after;
        self.pull_request.is_none() && !self.repeated && follows
    }

    /// Where the head is fetched from; none if it cannot be.
    pub(super) fn fetched_from(&self) -> Option<Reference> {
        match &self.pull_request {
            None => Some(self.moved.reference.clone()),
            Some(pull) if pull.fetchable => Some(pull.reference.clone()),
            Some(pull) => pull.own_branch(),
        }
    }
}

/// The heads that we found ourselves.
pub(super) fn found(placed: &[PlacedMove]) -> Vec<Start> {
    let moving = placed.iter().filter(|place| place.moved.after.is_some());
    let start = |place: &PlacedMove| Start {
        moved: place.moved.clone(),
        generation: place.generation,
        repeated: place.repeated,
        known: place.known.clone(),
        by: Some("sweep".into()),
        pull_request: None,
    };
    moving.map(start).collect()
}

/// A head that somebody asked for: it is none that moved.
pub(super) fn asked(reference: Reference, revision: Revision, by: String) -> Start {
    Start {
        moved: Moved { reference, before: None, after: Some(revision) },
        generation: 0,
        repeated: false,
        known: None,
        by: Some(by),
        pull_request: None,
    }
}

/// The moves of a meaning with the places that they were given when it came.
pub(super) fn of(meaning: &Meaning, placed: &[PlacedMove]) -> Vec<Start> {
    let (by, pull_request) = match meaning {
        Meaning::Push(push) => (push.sender.clone(), None),
        Meaning::PullRequest(pull) => (pull.sender.clone(), Some((**pull).clone())),
        Meaning::Ping | Meaning::Unsupported { .. } => return Vec::new(),
    };
    let moving = crate::service::moves_of(meaning).into_iter().filter(|moved| moved.after.is_some());
    let start = |moved: Moved| {
        let place = placed.iter().find(|one| one.moved == moved)?;
        Some(Start {
            moved,
            generation: place.generation,
            repeated: place.repeated,
            known: place.known.clone(),
            by: by.clone(),
            pull_request: pull_request.clone(),
        })
    };
    moving.filter_map(start).collect()
}
