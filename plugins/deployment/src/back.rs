//! The way back: what was there before is applied again, what was not is deleted.

use crate::{Before, Id, Outside};
use stageway_sdk::cluster::{ApplyOptions, Rollout};
use stageway_sdk::{HostError, Span};

/// A deployment that is to be taken back.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a> {
    /// What it applied, in order.
    pub objects: &'a [Id],
    /// What was there before of each; an object that is not among these is left as it is.
    pub before: &'a [Before],
    /// For how long what is put back is followed; none: it is not waited for.
    pub within: Option<Span>,
}

/// Takes it back, telling each step, and answers what did not work.
pub fn take_back(outside: &impl Outside, back: Back<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let known = |id: &Id| back.before.iter().find(|one| one.id == *id);
    // What is put back is ours afterwards, whoever managed its fields.
    let options = ApplyOptions { dry_run: false, force: true };
    for id in back.objects {
        match known(id) {
            Some(Before { object: Some(was), .. }) => {
                note(outside, "put back", id, outside.apply(was, options).map(drop), &mut problems);
            }
            Some(Before { object: None, .. }) => {}
            None => problems.push(format!("{id}: what was there before is not kept, so it stays as it is")),
        }
    }
    for id in back.objects.iter().rev() {
        if known(id).is_some_and(|one| one.object.is_none()) {
            note(outside, "deleted", id, outside.delete(id), &mut problems);
        }
    }
    if let Some(within) = back.within {
        follow(outside, back, within, &mut problems);
    }
    problems
}

fn note(
    outside: &impl Outside,
    what: &str,
    id: &Id,
    done: Result<(), HostError>,
    problems: &mut Vec<String>,
) {
    match done {
        Ok(()) => outside.say(&format!("{what} {id}")),
        Err(error) => problems.push(format!("{id}: {}", error.message())),
    }
}

/// What was put back has the time of a rollout too.
fn follow(outside: &impl Outside, back: Back<'_>, within: Span, problems: &mut Vec<String>) {
    let end = outside.now_ms() + f64::from(within.as_millis());
    let put_back = back.before.iter().filter(|one| one.object.is_some() && rolls_out(&one.id.kind));
    for Before { id, .. } in put_back.filter(|one| back.objects.contains(&one.id)) {
        match outside.rollout(id, left(outside, end)) {
            Ok(rollout) if rollout.complete => {}
            Ok(rollout) => {
                explain(outside, &rollout);
                problems.push(format!("{id}: {}", rollout.reason));
            }
            Err(error) => problems.push(format!("{id}: {}", error.message())),
        }
    }
}

/// Whether objects of this kind have a rollout that can be followed.
pub fn rolls_out(kind: &str) -> bool {
    matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "Job")
}

/// The time from now to `end`, in milliseconds since 1970.
pub fn left(outside: &impl Outside, end: f64) -> Span {
    let left = (end - outside.now_ms()).clamp(0.0, f64::from(u32::MAX));
    // The clamp holds it within the type.
    Span::from_millis(left as u32)
}

/// Tells what the cluster says about a rollout that does not go on.
pub fn explain(outside: &impl Outside, rollout: &Rollout) {
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
