//! Back to what was there before a deployment that is bad.

use super::Wanted;
use stageway_deployment::{Back, Before, Id, Outside, Past, take_back};
use stageway_sdk::Verdict;
use stageway_sdk::environments::Judgement;
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
        let objects: Vec<Id> = self.wanted.objects.iter().map(|object| object.id.clone()).collect();
        let within = (!in_haste).then_some(self.wanted.within);
        let problems = take_back(self.outside, Back { objects: &objects, before: self.before, within });
        let mut told = self.where_to();
        for problem in problems {
            let _ = write!(told, "\nnot whole: {problem}");
        }
        told
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
