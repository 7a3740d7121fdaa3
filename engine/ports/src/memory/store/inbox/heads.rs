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
        self.backwards(repository, reference).next()
    }

    /// The moves that were not late, newest first.
    fn backwards(&self, repository: &RepositoryId, reference: &Reference) -> impl Iterator<Item = &HeadMove> {
        let history = self.heads.get(&(repository.clone(), reference.clone()));
        let moves = history.into_iter().flatten().rev();
        moves.filter(|head| !head.late).map(|head| &head.moved)
    }

    fn history(&mut self, repository: &RepositoryId, reference: &Reference) -> &mut Vec<Head> {
        self.heads.entry((repository.clone(), reference.clone())).or_default()
    }

    /// Gives a told move its generation; answers it with the head that was told of last.
    pub(super) fn place(&mut self, repository: &RepositoryId, moved: &Moved) -> (u64, Option<Revision>) {
        let newest = self.newest(repository, &moved.reference).cloned();
        let told = self.backwards(repository, &moved.reference).find(|earlier| earlier.told);
        let known = told.and_then(|told| told.after.clone());
        let history = self.history(repository, &moved.reference);
        let last = history.len() as u64;
        let placing = place(newest.as_ref(), last, None, moved.before.as_ref(), moved.after.as_ref());
        match placing {
            Placing::Next { generation, .. } => {
                let (before, after) = (moved.before.clone(), moved.after.clone());
                let moved = HeadMove { generation, before, after, told: true };
                history.push(Head { moved, late: false });
            }
            Placing::Same { generation, learns: true } => {
                let same = &mut history[generation as usize - 1].moved;
                same.before = moved.before.clone().or(same.before.take());
                same.told = true;
            }
            Placing::Same { .. } => {}
        }
        (placing.generation(), known)
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
            let told = self.backwards(repository, reference).find(|moved| moved.told)?;
            Some((reference.clone(), told.after.clone()?))
        };
        mine.filter_map(head).collect()
    }

    pub(super) fn found(&mut self, repository: &RepositoryId, reference: &Reference, found: &Revision) {
        if is_news(self.newest(repository, reference), found) {
            let history = self.history(repository, reference);
            let generation = history.len() as u64 + 1;
            let moved = HeadMove { generation, before: None, after: Some(found.clone()), told: false };
            history.push(Head { moved, late: false });
        }
    }

    pub(super) fn late(&mut self, repository: &RepositoryId, reference: &Reference, generation: u64) {
        if let Some(head) = self.history(repository, reference).get_mut(generation as usize - 1) {
            head.late = true;
        }
    }
}
