//! What was watched is a release of the stage's environment: it is judged, and taken back if that is wanted and it is bad.

use crate::course::Word;
use crate::watch::Watched;
use stageway_deployment::{Back, Outside, Past, released, take_back};
use stageway_sdk::environments::Judgement;
use stageway_sdk::{Doing, HostError, Span, Verdict};

/// For how long what is put back is followed.
const PUT_BACK_WITHIN: Span = Span::from_secs(600);

/// What runs in the stage's environment; none where it has no environment, or nothing was rolled out there by `kubernetes-deploy`.
///
/// # Errors
/// Errored for a history that cannot be read.
pub(crate) fn current(outside: &impl Outside) -> Result<Option<Past>, Verdict> {
    match outside.releases() {
        Ok(releases) => Ok(released(releases)),
        // The stage holds no environment, or may not look into its history.
        Err(HostError::InvalidArgument(_) | HostError::Denied(_)) => Ok(None),
        Err(other) => Err(other).doing("reading the releases of the environment"),
    }
}

/// Judges the release, and takes it back where it is bad and `rollback` is wanted; answers what there is to say about that.
///
/// # Errors
/// Errored where the judgement cannot be recorded.
pub(crate) fn conclude(
    outside: &impl Outside,
    release: Option<&Past>,
    watched: &Watched,
    rollback: bool,
) -> Result<Option<String>, Verdict> {
    let Some(past) = release else {
        let nothing = "there is no release of the stage's environment that could be taken back";
        return Ok((rollback && watched.word() == Word::Bad).then(|| nothing.to_owned()));
    };
    let (judgement, reason) = match watched.word() {
        Word::Good => (Judgement::Good, format!("watched for {}", watched.after)),
        Word::Bad => (Judgement::Bad, watched.why()),
        Word::Unknown => (Judgement::Unknown, format!("rolled out, and not seen: {}", watched.why())),
    };
    // Judged before it is taken back: whoever comes in between must not go back to it.
    outside.judge(&past.id, judgement, &reason).doing("recording the verdict")?;
    if !rollback || watched.word() != Word::Bad {
        return Ok(None);
    }
    outside.warn(&format!("release {} is bad: going back to what was there before", past.id));
    let record = &past.record;
    let back = Back { objects: &record.objects, before: &record.was, within: Some(PUT_BACK_WITHIN) };
    let problems = take_back(outside, back);
    let mut told = format!("rolled back release {} ({})", past.id, record.image);
    for problem in problems {
        told.push_str("\nnot whole: ");
        told.push_str(&problem);
    }
    Ok(Some(told))
}

#[cfg(test)]
mod tests;
