use super::Letters;
use crate::{Moved, PlacedMove};
use stageway_core::delivery::{Reference, Revision};
use stageway_core::head::{HeadMove, Placing, is_news, place};
use stageway_core::name::RepositoryId;
use std::collections::BTreeMap;

/// A move in the history of a ref.
#[derive(Debug)]
pub(super) struct Head {
    moved: HeadMove,
    late: bool,
}

impl Letters {
    fn newest(&self, repository: &RepositoryId, reference: &Reference) -> Option<&HeadMove> {
        let history = self.heads.get(&(repository.clone(), reference.clone()))?;
        history.iter().rev().find(|head| !head.late).map(|head| &head.moved)
    }

    fn history(&mut self, repository: &RepositoryId, reference: &Reference) -> &mut Vec<Head> {
        self.heads.entry((repository.clone(), reference.clone())).or_default()
    }

    /// Gives a told move its generation; answers it with the head that was known before.
    pub(super) fn place(&mut self, repository: &RepositoryId, moved: &Moved) -> (u64, Option<Revision>) {
        let newest = self.newest(repository, &moved.reference).cloned();
        let history = self.history(repository, &moved.reference);
        let last = history.len() as u64;
        let placing = place(newest.as_ref(), last, None, moved.before.as_ref(), moved.after.as_ref());
        match placing {
            Placing::Next { generation, .. } => {
                let (before, after) = (moved.before.clone(), moved.after.clone());
                history.push(Head { moved: HeadMove { generation, before, after }, late: false });
            }
            Placing::Same { generation, learns: true } => {
                history[generation as usize - 1].moved.before.clone_from(&moved.before);
            }
            Placing::Same { .. } => {}
        }
        (placing.generation(), newest.and_then(|newest| newest.after))
    }

    /// A move that was told again after late ones has the generation of the first.
    pub(super) fn resolve(
        &self,
        repository: &RepositoryId,
        (moved, generation, known): (Moved, u64, Option<Revision>),
    ) -> PlacedMove {
        let (mut generation, mut repeated) = (generation, false);
        let history = self.heads.get(&(repository.clone(), moved.reference.clone()));
        let history = history.map(Vec::as_slice).unwrap_or_default();
        let alike = |head: &Head| head.moved.before == moved.before && head.moved.after == moved.after;
        while let Some(earlier) = history[..generation as usize - 1].iter().rposition(alike) {
            repeated = true;
            if history[earlier + 1..generation as usize - 1].iter().any(|head| !head.late) {
                break;
            }
            generation = earlier as u64 + 1;
        }
        PlacedMove { moved, generation, repeated, known }
    }

    pub(super) fn head(&self, repository: &RepositoryId, reference: &Reference) -> Option<Revision> {
        self.newest(repository, reference)?.after.clone()
    }

    pub(super) fn known(&self, repository: &RepositoryId) -> BTreeMap<Reference, Revision> {
        let mine = self.heads.keys().filter(|(owner, _)| owner == repository);
        let head = |(_, reference): &(RepositoryId, Reference)| {
            Some((reference.clone(), self.head(repository, reference)?))
        };
        mine.filter_map(head).collect()
    }

    pub(super) fn found(&mut self, repository: &RepositoryId, reference: &Reference, found: &Revision) {
        if is_news(self.newest(repository, reference), found) {
            let history = self.history(repository, reference);
            let generation = history.len() as u64 + 1;
            let moved = HeadMove { generation, before: None, after: Some(found.clone()) };
            history.push(Head { moved, late: false });
        }
    }

    pub(super) fn late(&mut self, repository: &RepositoryId, reference: &Reference, generation: u64) {
        if let Some(head) = self.history(repository, reference).get_mut(generation as usize - 1) {
            head.late = true;
        }
    }
}
