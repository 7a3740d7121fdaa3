//! Back to what was there before a deployment that is bad.

use super::{Wanted, before_of, left, rolls_out};
use crate::manifest::Id;
use crate::outside::Outside;
use crate::record::{Before, Past};
use stageway_sdk::cluster::{ApplyOptions, Rollout};
use stageway_sdk::environments::Judgement;
use stageway_sdk::{HostError, Verdict};
use std::fmt::Write as _;

/// A deployment from its first apply on.
pub(super) struct Going<'a, O> {
    pub(super) outside: &'a O,
    pub(super) wanted: &'a Wanted<'a>,
    pub(super) before: &'a [Before],
    pub(super) past: &'a [Past],
    pub(super) release: &'a str,
}

/// Why it goes back.
pub(super) struct Cause {
    code: &'static str,
    message: String,
    /// There is a grace period only: nothing is waited for.
    in_haste: bool,
}

impl Cause {
    pub(super) fn refused(message: String) -> Self {
        Self { code: "stageway/apply-refused", message, in_haste: false }
    }

    pub(super) fn rollout(id: &Id, reason: &str) -> Self {
        let message = format!("the rollout of {id} does not come to its end: {reason}");
        Self { code: "stageway/rollout-failed", message, in_haste: false }
    }

    pub(super) fn cancelled() -> Self {
        Self { code: "stageway/cancelled", message: "the stage was cancelled".to_owned(), in_haste: true }
    }
}

impl<O: Outside> Going<'_, O> {
    /// Goes back, unless that is not wanted, and answers the verdict that says both.
    pub(super) fn back(&self, cause: Cause) -> Verdict {
        let Cause { code, mut message, in_haste } = cause;
        if self.wanted.keeps_bad {
            message.push_str("\nwhat was applied is kept (`on-failure: keep`)");
        } else {
            self.outside.warn(&format!("{message}\ngoing back to what was there before"));
            let undone = self.undo(in_haste);
            let _ = write!(message, "\n{undone}");
        }
        let reason = message.lines().next().unwrap_or_default();
        if let Err(error) = self.outside.judge(self.release, Judgement::Bad, reason) {
            let _ = write!(message, "\nthe release could not be judged bad: {}", error.message());
        }
        match in_haste {
            true => Verdict::errored(code, message),
            false => Verdict::failed(code, message),
        }
    }

    /// Puts everything back, and says to what.
    fn undo(&self, in_haste: bool) -> String {
        let mut problems = Vec::new();
        let options = ApplyOptions { dry_run: false, force: true };
        for object in self.wanted.objects {
            if let Some(was) = before_of(self.before, &object.id) {
                let done = self.outside.apply(was, options).map(|_| ());
                self.note("put back", &object.id, done, &mut problems);
            }
        }
        for object in self.wanted.objects.iter().rev() {
            if before_of(self.before, &object.id).is_none() {
                self.note("deleted", &object.id, self.outside.delete(&object.id), &mut problems);
            }
        }
        if !in_haste {
            self.follow_back(&mut problems);
        }
        let mut told = self.where_to();
        for problem in problems {
            let _ = write!(told, "\nnot whole: {problem}");
        }
        told
    }

    fn note(&self, what: &str, id: &Id, done: Result<(), HostError>, problems: &mut Vec<String>) {
        match done {
            Ok(()) => self.outside.say(&format!("{what} {id}")),
            Err(error) => problems.push(format!("{id}: {}", error.message())),
        }
    }

    /// What was put back has the time of a rollout too.
    fn follow_back(&self, problems: &mut Vec<String>) {
        let end = self.outside.now_ms() + f64::from(self.wanted.within.as_millis());
        let was_there = |id: &Id| before_of(self.before, id).is_some();
        for object in
            self.wanted.objects.iter().filter(|object| rolls_out(&object.id.kind) && was_there(&object.id))
        {
            match self.outside.rollout(&object.id, left(self.outside, end)) {
                Ok(rollout) if rollout.complete => {}
                Ok(rollout) => {
                    explain(self.outside, &rollout);
                    problems.push(format!("{}: {}", object.id, rollout.reason));
                }
                Err(error) => problems.push(format!("{}: {}", object.id, error.message())),
            }
        }
    }

    fn where_to(&self) -> String {
        if self.before.iter().all(|one| one.object.is_none()) {
            return "rolled back: nothing of it was there before, so everything that was applied is deleted"
                .to_owned();
        }
        match self.past.iter().find(|past| past.stands()) {
            Some(past) => {
                format!("rolled back to release {} of run {}: {}", past.id, past.run, past.record.image)
            }
            None => "rolled back to what was there before, which is no release of this deployment".to_owned(),
        }
    }
}

/// What the cluster says about a rollout that does not go on.
pub(super) fn explain(outside: &impl Outside, rollout: &Rollout) {
    for event in &rollout.events {
        let text = |key: &str| event[key].as_str().unwrap_or_default();
        outside.warn(&format!("{}: {}: {}", text("object"), text("reason"), text("message")));
    }
    for log in &rollout.logs {
        let text = |key: &str| log[key].as_str().unwrap_or_default();
        outside.warn(&format!(
            "the last lines of container {} of pod {}:\n{}",
            text("container"),
            text("pod"),
            text("text")
        ));
    }
}
