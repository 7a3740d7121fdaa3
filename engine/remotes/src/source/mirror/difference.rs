//! What differs between two commits: read from the objects that are open anyway, so that it costs no process.

use super::Inner;
use super::read::MAX_DEPTH;
use crate::source::objects::Entry;
use stageway_ports::SourceError;
use std::collections::{BTreeMap, BTreeSet};

/// The same folder in both commits; none where it is not there.
struct Pair {
    one: Option<String>,
    other: Option<String>,
    prefix: String,
    depth: usize,
}

impl Inner {
    /// The paths that are otherwise in one commit than in the other, as `git diff --no-renames` tells them.
    pub(super) async fn differing(&self, one: &str, other: &str) -> Result<BTreeSet<String>, SourceError> {
        let (one, other) = (Some(self.root(one).await?), Some(self.root(other).await?));
        let mut pending = vec![Pair { one, other, prefix: String::new(), depth: 0 }];
        let mut paths = BTreeSet::new();
        while let Some(Pair { one, other, prefix, depth }) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(SourceError::Limit(format!(
                    "`{prefix}` lies more than {MAX_DEPTH} folders deep"
                )));
            }
            let (mut left, right) = (self.entries(one).await?, self.entries(other).await?);
            let mut both: Vec<(String, Option<Entry>, Option<Entry>)> = Vec::new();
            for (name, entry) in right {
                both.push((name.clone(), left.remove(&name), Some(entry)));
            }
            both.extend(left.into_iter().map(|(name, entry)| (name, Some(entry), None)));
            for (name, left, right) in both {
                let path = format!("{prefix}{name}");
                let same = |one: &Entry, other: &Entry| one.object == other.object && one.mode == other.mode;
                if let (Some(left), Some(right)) = (&left, &right)
                    && same(left, right)
                {
                    continue;
                }
                let folder = |entry: &Option<Entry>| {
                    entry.as_ref().filter(|e| e.is_folder()).map(|e| e.object.clone())
                };
                let (one, other) = (folder(&left), folder(&right));
                if [&left, &right].into_iter().flatten().any(|entry| !entry.is_folder()) {
                    paths.insert(path.clone());
                }
                if one.is_some() || other.is_some() {
                    pending.push(Pair { one, other, prefix: format!("{path}/"), depth: depth + 1 });
                }
            }
        }
        Ok(paths)
    }

    async fn entries(&self, object: Option<String>) -> Result<BTreeMap<String, Entry>, SourceError> {
        let Some(object) = object else { return Ok(BTreeMap::new()) };
        let level = self.level(&object).await?;
        Ok(level.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
    }
}
