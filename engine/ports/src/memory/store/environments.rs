use super::Tenant;
use crate::{Claim, ClaimAnswer, Freeze, Release, StoreError, Writer};
use stageway_core::name::{EnvironmentName, RunId, StageName};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The fence of the newest holder.
    fence: u64,
    holder: Option<(RunId, StageName)>,
    /// By group: the greatest order that held it, and its run.
    newest: BTreeMap<String, (u64, RunId)>,
    /// Oldest first.
    releases: Vec<Release>,
}

impl Environment {
    fn claim(&mut self, claim: &Claim, frozen: Option<Freeze>) -> ClaimAnswer {
        let wanted = (claim.run.clone(), claim.stage.clone());
        if self.holder.as_ref() == Some(&wanted) {
            return ClaimAnswer::Held(self.fence);
        }
        if let Some((order, run)) = self.newest.get(&claim.group)
            && *order > claim.order
        {
            return ClaimAnswer::Outdated(run.clone());
        }
        if let Some((run, _)) = &self.holder {
            return ClaimAnswer::Busy(run.clone());
        }
        if let Some(freeze) = frozen {
            return ClaimAnswer::Frozen(freeze);
        }
        self.fence += 1;
        self.holder = Some(wanted);
        self.newest.insert(claim.group.clone(), (claim.order, claim.run.clone()));
        ClaimAnswer::Held(self.fence)
    }

    fn is_held_by(&self, run: &RunId) -> bool {
        self.holder.as_ref().is_some_and(|(holder, _)| holder == run)
    }
}

impl Tenant {
    pub(super) fn claim(&mut self, writer: &Writer, claim: &Claim) -> Result<ClaimAnswer, StoreError> {
        let run = self.fenced(writer)?;
        if claim.run != writer.run {
            return Err(StoreError::Conflict(format!("run {} claims for run {}", writer.run, claim.run)));
        }
        if run.standing.status().is_final() {
            return Err(StoreError::Conflict(format!("run {} has ended", writer.run)));
        }
        let frozen = self.frozen.of(&claim.environment).cloned();
        let environment = self.environments.entry(claim.environment.clone()).or_default();
        let before = environment.fence;
        let answer = environment.claim(claim, frozen);
        self.changes += environment.fence - before;
        Ok(answer)
    }

    pub(super) fn give_back(&mut self, environment: &EnvironmentName, run: &RunId, stage: &StageName) {
        if let Some(environment) = self.environments.get_mut(environment) {
            environment.holder.take_if(|(holder, of)| holder == run && of == stage);
        }
    }

    pub(super) fn drop_claims(&mut self, run: &RunId) {
        for environment in self.environments.values_mut() {
            environment.holder.take_if(|(holder, _)| holder == run);
        }
    }

    pub(super) fn releases(&self, environment: &EnvironmentName, max: u32) -> Vec<Release> {
        let releases = self.environments.get(environment).map_or(&[][..], |found| &found.releases);
        releases.iter().rev().take(max as usize).cloned().collect()
    }

    pub(super) fn release(
        &mut self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: Release,
    ) -> Result<(), StoreError> {
        self.fenced(writer)?;
        let found = self.environments.entry(environment.clone()).or_default();
        if let Some(stored) = found.releases.iter().find(|stored| stored.id == release.id) {
            if stored.run == release.run && stored.what == release.what {
                return Ok(());
            }
            return Err(StoreError::Conflict(format!("release {} stands with other contents", release.id)));
        }
        if release.run != writer.run || !found.is_held_by(&writer.run) {
            let text = format!("run {} does not hold the environment {environment}", release.run);
            return Err(StoreError::Conflict(text));
        }
        found.releases.push(release);
        self.changes += 1;
        Ok(())
    }

    pub(super) fn judge(
        &mut self,
        writer: &Writer,
        environment: &EnvironmentName,
        release: &str,
        verdict: &str,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.fenced(writer)?;
        let found = self
            .environments
            .get_mut(environment)
            .and_then(|found| found.releases.iter_mut().find(|stored| stored.id == release))
            .ok_or_else(|| StoreError::NotFound(format!("release {release} of {environment}")))?;
        if found.verdict != verdict || found.reason.is_empty() {
            found.verdict = verdict.to_owned();
            found.reason = reason.to_owned();
            self.changes += 1;
        }
        Ok(())
    }
}
