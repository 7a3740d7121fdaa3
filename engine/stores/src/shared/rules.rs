//! The rules of the contract that are the same in every dialect, and what a refusal says.

use super::codec::{Unreadable, from_json, name};
use super::rows::{count, optional_count};
use stageway_core::name::{RunId, StageName};
use stageway_core::run::Standing;
use stageway_ports::{ApprovalAnswer, Batch, Claim, ClaimAnswer, StoreError, Writer};

/// Fence, pipeline, version, standing, lines, reports.
pub(crate) type HeldRow = (i64, String, i64, String, i64, i64);

/// What a write needs to know of the run that its writer holds.
pub(crate) struct HeldRun {
    pub(crate) pipeline: String,
    pub(crate) version: u64,
    pub(crate) standing: Standing,
    pub(crate) lines: u64,
    pub(crate) reports: u64,
}

impl HeldRun {
    /// The writer's run, if the writer holds it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] and [`StoreError::Fenced`]; [`Unreadable`].
    pub(crate) fn of<F: From<StoreError> + From<Unreadable>>(
        writer: &Writer,
        row: Option<HeldRow>,
    ) -> Result<Self, F> {
        let (fence, pipeline, version, standing, lines, reports) =
            row.ok_or_else(|| refusal::no_run(&writer.run))?;
        let fence = count("the fence of a run", fence)?;
        if fence != writer.fence || fence == 0 {
            let (run, given) = (writer.run.clone(), writer.fence);
            return Err(StoreError::Fenced { run, given, newest: fence }.into());
        }
        Ok(Self {
            pipeline,
            version: count("the version of a run", version)?,
            standing: from_json("the standing of a run", &standing)?,
            lines: count("the lines of a run", lines)?,
            reports: count("the reports of a run", reports)?,
        })
    }

    /// # Errors
    /// [`StoreError::Version`] when events were made for another version.
    pub(crate) fn check_version(&self, run: &RunId, batch: &Batch) -> Result<(), StoreError> {
        let (expected, found) = (batch.expected, self.version);
        if batch.events.is_empty() || expected == found {
            return Ok(());
        }
        Err(StoreError::Version { run: run.clone(), expected, found })
    }

    /// Folds the events of a batch.
    pub(crate) fn apply(&mut self, batch: &Batch) {
        batch.events.iter().for_each(|event| self.standing.apply(event));
        self.version += batch.events.len() as u64;
    }

    /// # Errors
    /// [`StoreError::Conflict`] for another run, or after the end.
    pub(crate) fn check_claim(&self, writer: &Writer, claim: &Claim) -> Result<(), StoreError> {
        let run = &writer.run;
        if claim.run != *run {
            return Err(StoreError::Conflict(format!("run {run} claims for run {}", claim.run)));
        }
        if self.standing.ended_at().is_some() {
            return Err(StoreError::Conflict(format!("run {run} has ended")));
        }
        Ok(())
    }
}

/// A wish for a lease.
#[derive(Clone, Copy)]
pub(crate) struct LeaseWish<'a> {
    pub(crate) run: &'a RunId,
    pub(crate) holder: &'a str,
    pub(crate) now: u64,
    pub(crate) until: u64,
    pub(crate) force: bool,
}

impl LeaseWish<'_> {
    /// Whether somebody else's lease stands against it.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn is_barred(&self, holder: Option<&str>, until: Option<i64>) -> Result<bool, Unreadable> {
        let until = optional_count("the end of a lease", until)?;
        let other = holder.is_some_and(|holder| holder != self.holder);
        Ok(other && until.is_some_and(|until| until > self.now) && !self.force)
    }
}

/// Fence, run, stage.
pub(crate) type LockRow = (i64, Option<String>, Option<String>);

/// The lock of an environment.
pub(crate) struct Lock {
    /// Of the newest holder.
    pub(crate) fence: u64,
    holder: Option<(RunId, StageName)>,
}

impl Lock {
    /// # Errors
    /// [`Unreadable`].
    pub(crate) fn of(row: Option<LockRow>) -> Result<Self, Unreadable> {
        let Some((fence, run, stage)) = row else { return Ok(Self { fence: 0, holder: None }) };
        let fence = count("the fence of a lock", fence)?;
        let holder = match (run, stage) {
            (Some(run), Some(stage)) => {
                Some((name("the holder of a lock", run)?, name("the holder of a lock", stage)?))
            }
            _ => None,
        };
        Ok(Self { fence, holder })
    }

    pub(crate) fn is_held_by(&self, run: &RunId) -> bool {
        self.holder.as_ref().is_some_and(|(holder, _)| holder == run)
    }

    /// What a claim is answered; none when the lock is free for it. `newer` is a later run of its group that held the lock.
    pub(crate) fn answer(&self, claim: &Claim, newer: Option<RunId>) -> Option<ClaimAnswer> {
        let held = self.is_held_by(&claim.run);
        match (&self.holder, newer) {
            (Some((_, stage)), _) if held && *stage == claim.stage => Some(ClaimAnswer::Held(self.fence)),
            (_, Some(newer)) => Some(ClaimAnswer::Outdated(newer)),
            (Some((run, _)), None) => Some(ClaimAnswer::Busy(run.clone())),
            (None, None) => None,
        }
    }
}

/// The newest question of a stage.
pub(crate) struct OpenQuestion {
    pub(crate) number: i64,
    pub(crate) deadline: Option<i64>,
    pub(crate) answered: bool,
}

impl OpenQuestion {
    /// Its number, if it may be answered.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] and [`StoreError::Conflict`].
    pub(crate) fn check(
        found: Option<Self>,
        run: &RunId,
        stage: &StageName,
        answer: &ApprovalAnswer,
    ) -> Result<i64, StoreError> {
        let Some(question) = found else {
            return Err(StoreError::NotFound(format!("question of {stage} in run {run}")));
        };
        if question.answered {
            return Err(StoreError::Conflict(format!("{stage} was answered already")));
        }
        let over = |deadline| u64::try_from(deadline).is_ok_and(|deadline| answer.at > deadline);
        if question.deadline.is_some_and(over) {
            return Err(StoreError::NotFound(format!("open question of {stage}: its time is over")));
        }
        Ok(question.number)
    }
}

/// What is said to whom the contract refuses something.
pub(crate) mod refusal {
    use stageway_core::name::{EnvironmentName, RunId, StageName};
    use stageway_ports::{Approval, NewProof, NewRun, Release, StoreError};

    pub(crate) fn no_run(run: &RunId) -> StoreError {
        StoreError::NotFound(format!("run {run}"))
    }

    pub(crate) fn another_plan(new: &NewRun) -> StoreError {
        StoreError::Conflict(format!("run {} stands with another plan", new.id))
    }

    pub(crate) fn another_record(stage: &StageName, attempt: u32, seq: u32) -> StoreError {
        let text = format!("record {seq} of {stage}, attempt {attempt}, stands with other contents");
        StoreError::Conflict(text)
    }

    pub(crate) fn another_proof(proof: &NewProof) -> StoreError {
        StoreError::Conflict(format!("attempt {} of {} has another proof", proof.attempt, proof.stage))
    }

    pub(crate) fn another_question(approval: &Approval) -> StoreError {
        let (stage, seq) = (&approval.stage, approval.seq);
        StoreError::Conflict(format!("{stage} asked another question at {seq}"))
    }

    pub(crate) fn another_release(release: &Release) -> StoreError {
        StoreError::Conflict(format!("release {} stands with other contents", release.id))
    }

    pub(crate) fn no_lock(release: &Release, environment: &EnvironmentName) -> StoreError {
        StoreError::Conflict(format!("run {} does not hold the environment {environment}", release.run))
    }

    pub(crate) fn no_release(release: &str, environment: &EnvironmentName) -> StoreError {
        StoreError::NotFound(format!("release {release} of {environment}"))
    }
}
