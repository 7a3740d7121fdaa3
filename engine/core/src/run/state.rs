use super::event::{AttemptEnding, RunEvent, RunStatus, SkipReason};
use crate::call::Failure;
use crate::digest::Digest;
use crate::name::StageName;
use crate::task::Collected;
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;

/// Where a run stands: the fold of its events. Stages are in the order of the plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunState {
    /// How it stands as a whole.
    pub status: RunStatus,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// The tree of the revision.
    pub tree: Option<Digest>,
    /// Who asked for its end, and why.
    pub cancel: Option<(String, String)>,
    /// Where its stages stand.
    pub stages: IndexMap<StageName, StageState>,
    /// How many of them stand where: the status of the whole follows from it.
    #[serde(skip)]
    tally: Tally,
}

/// Stages that are no longer pending, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    running: usize,
    waiting: usize,
    ended: usize,
}

impl Tally {
    fn place(&mut self, status: &StageStatus) -> Option<&mut usize> {
        match status {
            StageStatus::Pending => None,
            StageStatus::Running => Some(&mut self.running),
            StageStatus::Parked(_) | StageStatus::Held(_) | StageStatus::Retrying(_) => {
                Some(&mut self.waiting)
            }
            StageStatus::Ended(_) => Some(&mut self.ended),
        }
    }

    fn status(self) -> RunStatus {
        match self {
            Self { running: 1.., .. } => RunStatus::Running,
            Self { waiting: 1.., .. } => RunStatus::Waiting,
            Self { ended: 1.., .. } => RunStatus::Running,
            _ => RunStatus::Queued,
        }
    }
}

/// Where a stage stands, with its times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageState {
    /// What is true of it now.
    pub status: StageStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// When its first attempt started.
    pub started_at: Option<u64>,
    /// When it ended or was skipped.
    pub ended_at: Option<u64>,
    /// Resumes in a row, made necessary by a fault of ours or a killed engine, with no new entry in between.
    pub fruitless_resumes: u32,
    /// Entries of the journal at the latest resume.
    pub entries_at_resume: u32,
}

/// What is true of a stage now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageStatus {
    /// What it needs has not ended, or nobody has taken it up.
    Pending,
    /// It asks a person or waits for a lock before it starts.
    Held(String),
    /// An attempt is in memory.
    Running,
    /// An attempt is parked, and why.
    Parked(String),
    /// The next attempt starts then.
    Retrying(u64),
    /// It is over.
    Ended(Box<Ended>),
}

/// How a stage ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The work was done.
    Succeeded {
        /// By name.
        outputs: Map<String, Json>,
        /// By name.
        artifacts: BTreeMap<String, Collected>,
    },
    /// The user's work said no.
    Failed(Failure),
    /// It could not be told.
    Errored(Failure),
    /// It was cancelled.
    Cancelled,
    /// It was not run.
    Skipped(SkipReason),
}

impl Ended {
    /// Whether stages that need it may go on.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded { .. } | Self::Skipped(SkipReason::Unchanged(_)))
    }

    /// Outputs, where there are some.
    pub fn outputs(&self) -> Option<&Map<String, Json>> {
        match self {
            Self::Succeeded { outputs, .. } => Some(outputs),
            Self::Skipped(SkipReason::Unchanged(proof)) => Some(&proof.outputs),
            _ => None,
        }
    }

    /// Artifacts, where there are some.
    pub fn artifacts(&self) -> Option<&BTreeMap<String, Collected>> {
        match self {
            Self::Succeeded { artifacts, .. } => Some(artifacts),
            Self::Skipped(SkipReason::Unchanged(proof)) => Some(&proof.artifacts),
            _ => None,
        }
    }

    /// The word for people and tools.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Failed(_) => "failed",
            Self::Errored(_) => "errored",
            Self::Cancelled => "cancelled",
            Self::Skipped(_) => "skipped",
        }
    }
}

impl StageState {
    fn new() -> Self {
        Self {
            status: StageStatus::Pending,
            attempts: 0,
            started_at: None,
            ended_at: None,
            fruitless_resumes: 0,
            entries_at_resume: 0,
        }
    }

    /// How it ended, if it has.
    pub fn ended(&self) -> Option<&Ended> {
        match &self.status {
            StageStatus::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    fn end(&mut self, at: u64, ended: Ended) {
        self.status = StageStatus::Ended(Box::new(ended));
        self.ended_at = Some(at);
    }

    fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::StageWaiting { why, .. } => self.status = StageStatus::Held(why.clone()),
            RunEvent::AttemptStarted { at, attempt, .. } => {
                self.status = StageStatus::Running;
                self.attempts = *attempt;
                self.started_at.get_or_insert(*at);
                (self.fruitless_resumes, self.entries_at_resume) = (0, 0);
            }
            RunEvent::AttemptParked { why, .. } => {
                self.status = StageStatus::Parked(why.clone());
                self.fruitless_resumes = 0;
            }
            RunEvent::AttemptResumed { counts, entries, .. } => {
                self.status = StageStatus::Running;
                self.fruitless_resumes = match (counts, *entries > self.entries_at_resume) {
                    (false, _) => 0,
                    (true, true) => 1,
                    (true, false) => self.fruitless_resumes + 1,
                };
                self.entries_at_resume = *entries;
            }
            RunEvent::AttemptEnded { at, ending, .. } => self.end(*at, ended(ending)),
            RunEvent::RetryScheduled { due, .. } => {
                self.status = StageStatus::Retrying(*due);
                self.ended_at = None;
            }
            RunEvent::StageSkipped { at, reason, .. } => self.end(*at, Ended::Skipped(reason.clone())),
            RunEvent::Created { .. } | RunEvent::CancelRequested { .. } | RunEvent::Ended { .. } => {}
        }
    }
}

impl RunState {
    /// The state before any event.
    pub fn new<'a>(stages: impl IntoIterator<Item = &'a StageName>) -> Self {
        Self {
            status: RunStatus::Queued,
            created_at: 0,
            ended_at: None,
            tree: None,
            cancel: None,
            stages: stages.into_iter().map(|name| (name.clone(), StageState::new())).collect(),
            tally: Tally::default(),
        }
    }

    /// Folds events.
    pub fn fold<'a>(stages: impl IntoIterator<Item = &'a StageName>, events: &[RunEvent]) -> Self {
        let mut state = Self::new(stages);
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes one event. An event about a stage that the plan lacks changes nothing.
    pub fn apply(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Created { at, tree, .. } => {
                self.created_at = *at;
                self.tree = Some(*tree);
            }
            RunEvent::CancelRequested { by, reason, .. } => self.cancel = Some((by.clone(), reason.clone())),
            RunEvent::Ended { at, status } => {
                self.ended_at = Some(*at);
                self.status = *status;
                return;
            }
            other => self.apply_to_stage(other),
        }
        self.status = self.tally.status();
    }

    fn apply_to_stage(&mut self, event: &RunEvent) {
        let Some(stage) = event.stage().and_then(|name| self.stages.get_mut(name)) else { return };
        if let Some(count) = self.tally.place(&stage.status) {
            *count -= 1;
        }
        stage.apply(event);
        if let Some(count) = self.tally.place(&stage.status) {
            *count += 1;
        }
    }
}

fn ended(ending: &AttemptEnding) -> Ended {
    match ending {
        AttemptEnding::Succeeded { outputs, artifacts } => {
            Ended::Succeeded { outputs: outputs.clone(), artifacts: artifacts.clone() }
        }
        AttemptEnding::Failed(failure) => Ended::Failed(failure.clone()),
        AttemptEnding::Errored(failure) => Ended::Errored(failure.clone()),
        AttemptEnding::Cancelled => Ended::Cancelled,
    }
}
