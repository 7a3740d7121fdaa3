//! The sweep: forges lose deliveries, so now and then we look ourselves for heads that nobody told of.

use super::starter::Told;
use super::{Site, Starter};
use stageway_core::delivery::{Occasion, Reference, Revision};
use stageway_core::name::{RepositoryId, TenantId};
use stageway_ports::{Mirrors, Moved, Outcome, SourceError, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Between two looks at the same repository.
pub const USUAL: Duration = Duration::from_secs(3_600);
/// Heads of one delivery: more are found the next time.
const MOST_MOVES: usize = 200;

/// Looks for heads that no delivery told of.
pub struct Sweep {
    /// What the operator registered.
    pub site: Arc<Site>,
    /// Repositories.
    pub mirrors: Arc<dyn Mirrors>,
    /// Stores what is found.
    pub starter: Starter,
    /// Between two looks at the same repository.
    pub every: Duration,
}

/// Why a repository could not be swept.
#[derive(Debug, Error)]
pub enum SweepError {
    /// Its home does not answer.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Our own memory failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sweep {
    /// Works until it is dropped: the repositories one after the other, spread over the time between two looks.
    pub async fn work(&self) {
        loop {
            let count = u32::try_from(self.site.repositories.len().max(1)).unwrap_or(u32::MAX);
            for (tenant, repository) in self.site.repositories.keys() {
                tokio::time::sleep(self.every / count).await;
                match self.one(tenant, repository).await {
                    Ok(0) => {}
                    Ok(found) => tracing::warn!(
                        tenant.id = %tenant, repository.id = %repository, found,
                        "heads were found that no delivery told of"
                    ),
                    Err(error) => tracing::warn!(
                        tenant.id = %tenant, repository.id = %repository, %error, "a repository cannot be swept"
                    ),
                }
            }
            if self.site.repositories.is_empty() {
                tokio::time::sleep(self.every).await;
            }
        }
    }

    /// Looks at one repository; answers how many heads nobody had told of. The first look only remembers what is there.
    ///
    /// # Errors
    /// [`SweepError`].
    pub async fn one(&self, tenant: &TenantId, repository: &RepositoryId) -> Result<usize, SweepError> {
        let inbox = &self.starter.inbox;
        let before = inbox.heads(tenant, repository).await?;
        let found = self.mirrors.open(tenant, repository).await?.heads().await?;
        let after = inbox.heads(tenant, repository).await?;
        let moves = moves(&before, &found, &after);
        let count = moves.len();
        let is_first = before.is_empty();
        if count > 0 {
            let at = self.starter.clock.now_ms();
            let summary = format!("the first look found {count} heads, and starts nothing");
            let outcome = is_first.then(|| Outcome { at, summary, ..Outcome::default() });
            let key = format!("sweep:{}", (self.starter.ids)());
            self.starter
                .tell(tenant, repository, Told { key, occasion: Occasion::Sweep, moves, outcome })
                .await?;
        }
        Ok(if is_first { 0 } else { count })
    }
}

/// The heads that differ from what was known before and after they were found: what a delivery told of meanwhile is not ours to
/// tell. Tags hardly move, and forges tell of some by their commits: only new ones count.
fn moves(
    before: &BTreeMap<Reference, Revision>,
    found: &BTreeMap<Reference, Revision>,
    after: &BTreeMap<Reference, Revision>,
) -> Vec<Moved> {
    let settled = found.iter().filter(|&(reference, _)| before.get(reference) == after.get(reference));
    let news = settled.filter(|&(reference, revision)| match before.get(reference) {
        None => true,
        Some(known) => known != revision && reference.tag().is_none(),
    });
    let moved = news.map(|(reference, revision)| Moved {
        reference: reference.clone(),
        before: before.get(reference).cloned(),
        after: Some(revision.clone()),
    });
    moved.take(MOST_MOVES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(heads: &[(&str, char)]) -> BTreeMap<Reference, Revision> {
        let head = |(name, digit): &(&str, char)| {
            (format!("refs/{name}").parse().unwrap(), digit.to_string().repeat(40).parse().unwrap())
        };
        heads.iter().map(head).collect()
    }

    #[test]
    fn what_nobody_told_of_is_news_and_what_was_told_meanwhile_is_not() {
        let known = heads(&[("heads/main", 'a'), ("heads/old", 'b'), ("tags/v1", 'c'), ("heads/fast", 'd')]);
        let found = heads(&[
            ("heads/main", 'e'),
            ("heads/new", 'f'),
            ("tags/v1", 'd'),
            ("tags/v2", 'a'),
            ("heads/fast", 'd'),
        ]);
        let after = heads(&[("heads/main", 'a'), ("heads/old", 'b'), ("tags/v1", 'c'), ("heads/fast", 'e')]);
        let names = |after: &BTreeMap<_, _>| {
            moves(&known, &found, after).iter().map(|moved| moved.reference.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&after), ["refs/heads/main", "refs/heads/new", "refs/tags/v2"]);
        let told = heads(&[("heads/main", 'e'), ("heads/old", 'b'), ("tags/v1", 'c'), ("heads/fast", 'd')]);
        assert_eq!(names(&told), ["refs/heads/new", "refs/tags/v2"]);
    }
}
