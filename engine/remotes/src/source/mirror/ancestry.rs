//! Which commits lead to which: read from the objects that are open anyway, and remembered, so that it costs no process.
//!
//! It is the walk of `git merge-base`: from both commits towards the roots, the youngest first, until all that is left is
//! older than something both lead to. What would cost more than a process, or has no single answer, git is asked itself.

use super::Inner;
use stageway_ports::SourceError;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, PoisonError};

/// Commits that one walk reads from git.
const MOST_READ: u32 = 500;
/// Commits that one walk visits, those that are remembered among them.
const MOST_VISITED: usize = 20_000;
/// Commits that are remembered; more are forgotten all at once.
const MOST_REMEMBERED: usize = 100_000;

/// Reached from the one, from the other, and from something that both reach.
const ONE: u8 = 1;
const OTHER: u8 = 2;
const BOTH: u8 = ONE | OTHER;
const BEYOND: u8 = 4;

/// Where a commit stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kin {
    /// Seconds, as its committer said.
    at: i64,
    parents: Arc<[Arc<str>]>,
}

/// What a walk over commits tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parted {
    /// Both lead to this one, and to nothing younger.
    At(String),
    /// They have nothing in common.
    Never,
    /// Too many commits to read, several answers, or one that is not here.
    Untold,
}

/// A walk that is under way.
#[derive(Default)]
struct Walk {
    marks: HashMap<Arc<str>, u8>,
    /// By time, the youngest first.
    pending: BinaryHeap<(i64, Arc<str>)>,
    common: Vec<Arc<str>>,
}

impl Walk {
    /// Marks a commit; answers whether that was news.
    fn mark(&mut self, commit: &Arc<str>, marks: u8) -> bool {
        let held = self.marks.entry(commit.clone()).or_default();
        let is_news = *held & marks != marks;
        *held |= marks;
        is_news
    }

    fn marks(&self, commit: &str) -> u8 {
        self.marks.get(commit).copied().unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.pending.iter().all(|(_, commit)| self.marks(commit) & BEYOND != 0)
    }

    fn told(self) -> Parted {
        let mut common = self.common.iter().filter(|commit| self.marks(commit) & BEYOND == 0);
        match (common.next(), common.next()) {
            (None, _) => Parted::Never,
            (Some(only), None) => Parted::At(only.to_string()),
            (Some(_), Some(_)) => Parted::Untold,
        }
    }
}

impl Inner {
    /// Where two commits parted, by the names of commits that are here.
    pub(super) async fn walk_to_parting(&self, one: &str, other: &str) -> Result<Parted, SourceError> {
        if one == other {
            return Ok(Parted::At(one.to_owned()));
        }
        let (mut walk, mut read) = (Walk::default(), 0);
        for (commit, side) in [(one, ONE), (other, OTHER)] {
            let commit: Arc<str> = commit.into();
            let Some(kin) = self.kin(&commit, &mut read).await? else { return Ok(Parted::Untold) };
            walk.mark(&commit, side);
            walk.pending.push((kin.at, commit));
        }
        while !walk.is_over() {
            let Some((_, commit)) = walk.pending.pop() else { break };
            let mut marks = walk.marks(&commit);
            if marks & (BOTH | BEYOND) == BOTH {
                walk.common.push(commit.clone());
                marks |= BEYOND;
            }
            let Some(kin) = self.kin(&commit, &mut read).await? else { return Ok(Parted::Untold) };
            for parent in &*kin.parents {
                if walk.mark(parent, marks) {
                    let Some(kin) = self.kin(parent, &mut read).await? else { return Ok(Parted::Untold) };
                    walk.pending.push((kin.at, parent.clone()));
                }
            }
            if walk.marks.len() > MOST_VISITED {
                return Ok(Parted::Untold);
            }
        }
        Ok(walk.told())
    }

    /// Whether this is the whole name of a commit that was read.
    pub(super) fn knows(&self, commit: &str) -> bool {
        self.kin.lock().unwrap_or_else(PoisonError::into_inner).contains_key(commit)
    }

    /// Where a commit stands; none if it is not here, or one too many would be read.
    async fn kin(&self, commit: &Arc<str>, read: &mut u32) -> Result<Option<Kin>, SourceError> {
        if let Some(kin) = self.kin.lock().unwrap_or_else(PoisonError::into_inner).get(commit) {
            return Ok(Some(kin.clone()));
        }
        *read += 1;
        if *read > MOST_READ {
            return Ok(None);
        }
        let Some(object) = self.commit(commit).await? else { return Ok(None) };
        let found = kin(&object.bytes);
        let mut remembered = self.kin.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(commit.clone(), found.clone());
        Ok(Some(found))
    }
}

/// The parents and the time of a commit, from its bytes.
fn kin(bytes: &[u8]) -> Kin {
    let mut kin = Kin { at: 0, parents: Arc::new([]) };
    let mut parents = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n').take_while(|line| !line.is_empty()) {
        let line = String::from_utf8_lossy(line);
        if let Some(parent) = line.strip_prefix("parent ") {
            parents.push(parent.into());
        } else if let Some(committer) = line.strip_prefix("committer ") {
            // After the address come the time and its zone.
            kin.at = committer.rsplit(' ').nth(1).and_then(|at| at.parse().ok()).unwrap_or_default();
            break;
        }
    }
    kin.parents = parents.into();
    kin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_where_it_stands() {
        let merge = b"tree 12\nparent 34\nparent 56\nauthor A <a@x> 1700000000 +0100\ncommitter B C <b@x> 17 +0000\n\nparent 78\n";
        assert_eq!(kin(merge), Kin { at: 17, parents: ["34".into(), "56".into()].into() });
        assert_eq!(kin(b"no commit"), Kin { at: 0, parents: [].into() });
    }
}
