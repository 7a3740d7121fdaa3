//! Schedules: those that stand in the pipeline files of every default branch, each told to ourselves when it is due.

use super::starter::Told;
use super::{Site, Starter};
use crate::intake::files;
use futures::stream::{StreamExt as _, iter};
use stageway_core::definition::parse;
use stageway_core::delivery::{Occasion, Reference};
use stageway_core::name::{PipelineName, RepositoryId, TenantId};
use stageway_core::schedule::Schedule;
use stageway_ports::{Mirrors, SourceError, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A server that was down catches up with what was due this long ago, in milliseconds: once for each schedule.
const CATCH_UP_MS: u64 = 3_600_000;
/// Repositories that are read at the same time.
const AT_ONCE: usize = 4;
/// The longest sleep; a repository that could not be read is read again then.
const LOOK: Duration = Duration::from_secs(300);

/// Watches the clock.
pub struct Timetable {
    /// What the operator registered.
    pub site: Arc<Site>,
    /// Repositories.
    pub mirrors: Arc<dyn Mirrors>,
    /// Stores what is due.
    pub starter: Starter,
}

/// A schedule with what it starts.
struct Entry {
    pipeline: PipelineName,
    reference: Reference,
    cron: String,
    schedule: Schedule,
}

type Key = (TenantId, RepositoryId);
type Entries = BTreeMap<Key, Vec<Entry>>;

impl Timetable {
    /// Works until it is dropped.
    pub async fn work(&self) {
        let clock = &self.starter.clock;
        let mut entries = Entries::new();
        let mut unread: BTreeSet<Key> = self.site.repositories.keys().cloned().collect();
        // Everything until then was told.
        let mut told = clock.now_ms().saturating_sub(CATCH_UP_MS);
        loop {
            unread.extend(self.starter.wake.moved());
            unread = self.read_all(unread, &mut entries).await;
            let now = clock.now_ms();
            match self.tell_due(&entries, told, now).await {
                Ok(()) => told = now.max(told),
                Err(error) => tracing::error!(%error, "what is due cannot be noted"),
            }
            self.wait(&entries, told).await;
        }
    }

    /// Until something is due, or may be otherwise than it was.
    async fn wait(&self, entries: &Entries, told: u64) {
        let next = entries.values().flatten().filter_map(|entry| entry.schedule.next(told)).min();
        let due = async {
            match next {
                Some(at) => self.starter.clock.until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = self.starter.wake.timetable.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }

    /// Tells what was due after `told` and until `now`: of each schedule the last time only.
    async fn tell_due(&self, entries: &Entries, told: u64, now: u64) -> Result<(), StoreError> {
        for ((tenant, repository), entries) in entries {
            for entry in entries {
                let Some(at) = last_due(&entry.schedule, told, now) else { continue };
                let (pipeline, reference) = (entry.pipeline.clone(), entry.reference.clone());
                let cron = entry.cron.clone();
                let key =
                    format!("schedule:{repository}:{pipeline}:{reference}:{cron}:{at}").replace(' ', "_");
                let occasion = Occasion::Schedule { pipeline, reference, cron, at };
                let told = Told { key, occasion, moves: Vec::new(), outcome: None };
                self.starter.tell(tenant, repository, told).await?;
            }
        }
        Ok(())
    }

    /// Reads repositories; answers those that could not be read: what was known of them still holds.
    async fn read_all(&self, repositories: BTreeSet<Key>, entries: &mut Entries) -> BTreeSet<Key> {
        let read = async |key: Key| (self.read(&key.0, &key.1).await, key);
        let mut unread = BTreeSet::new();
        let mut all = iter(repositories.into_iter().map(read)).buffer_unordered(AT_ONCE);
        while let Some((found, key)) = all.next().await {
            match found {
                Ok(found) => drop(entries.insert(key, found)),
                Err(error) => {
                    let (tenant, repository) = &key;
                    tracing::warn!(
                        tenant.id = %tenant, repository.id = %repository, %error, "schedules cannot be read"
                    );
                    unread.insert(key);
                }
            }
        }
        unread
    }

    async fn read(&self, tenant: &TenantId, repository: &RepositoryId) -> Result<Vec<Entry>, SourceError> {
        let Some(place) = self.site.place(tenant, repository) else { return Ok(Vec::new()) };
        let Ok(default) = Reference::of_branch(&place.repository.default_branch) else {
            return Ok(Vec::new());
        };
        let mirror = self.mirrors.open(tenant, repository).await?;
        let heads = mirror.fetch(std::slice::from_ref(&default), &[]).await?;
        let Some(head) = heads.get(&default) else { return Ok(Vec::new()) };
        let mut entries = Vec::new();
        for (file, bytes) in files(&*mirror, head).await? {
            let parsed = parse(&file, &bytes);
            let Some(definition) = parsed.valid() else { continue };
            for rule in &definition.on.schedule {
                let reference = rule.branch.as_deref().and_then(|branch| Reference::of_branch(branch).ok());
                let Ok(schedule) = Schedule::new(&rule.cron, rule.zone.as_deref()) else { continue };
                entries.push(Entry {
                    pipeline: definition.pipeline.clone(),
                    reference: reference.unwrap_or_else(|| default.clone()),
                    cron: rule.cron.clone(),
                    schedule,
                });
            }
        }
        Ok(entries)
    }
}

/// The last time after `told` and not after `now`.
fn last_due(schedule: &Schedule, told: u64, now: u64) -> Option<u64> {
    let mut last = None;
    let mut at = told;
    // A schedule is due once a minute at most.
    for _ in 0..=CATCH_UP_MS / 60_000 {
        match schedule.next(at).filter(|next| *next <= now) {
            Some(next) => (at, last) = (next, Some(next)),
            None => break,
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_due_once() {
        let hourly = Schedule::new("0 * * * *", None).unwrap();
        let minute = Schedule::new("* * * * *", None).unwrap();
        const HOUR: u64 = 3_600_000;
        assert_eq!(last_due(&hourly, 10 * HOUR, 10 * HOUR), None);
        assert_eq!(last_due(&hourly, 10 * HOUR, 11 * HOUR), Some(11 * HOUR));
        assert_eq!(last_due(&hourly, 10 * HOUR + 1, 11 * HOUR - 1), None);
        assert_eq!(last_due(&minute, 10 * HOUR, 11 * HOUR + 5), Some(11 * HOUR));
    }
}
