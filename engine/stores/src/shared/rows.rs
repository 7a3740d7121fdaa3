//! Rows as every dialect reads them, and what they mean. Numbers come with a sign, JSON as text.

use super::codec::{Unreadable, from_json, from_word, int, name};
use stageway_ports::{Approval, Candidate, Release, RunSummary};

type Result<T> = std::result::Result<T, Unreadable>;

/// Run, stage, attempt, what was compared.
pub(crate) type CandidateRow = (String, String, i64, String);
/// Stage, attempt, seq, question, options, when, deadline, answer.
pub(crate) type ApprovalRow = (String, i64, i64, String, String, i64, Option<i64>, Option<String>);
/// Id, run, when, what, verdict, reason.
pub(crate) type ReleaseRow = (String, String, i64, String, String, String);
/// Id, number, pipeline, status, when it was made, when it ended.
pub(crate) type SummaryRow = (String, i64, String, String, i64, Option<i64>, Option<i64>);

/// # Errors
/// [`Unreadable`] below zero.
pub(crate) fn count(what: &'static str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|error| Unreadable::new(what, &error))
}

/// # Errors
/// [`Unreadable`] below zero.
pub(crate) fn optional_count(what: &'static str, value: Option<i64>) -> Result<Option<u64>> {
    value.map(|value| count(what, value)).transpose()
}

/// # Errors
/// [`Unreadable`] below zero and beyond 32 bits.
pub(crate) fn small(what: &'static str, value: i64) -> Result<u32> {
    u32::try_from(value).map_err(|error| Unreadable::new(what, &error))
}

/// For `LIMIT`: at most this many rows.
pub(crate) fn limit(max: u32) -> i64 {
    int(u64::from(max))
}

pub(crate) fn candidate((run, stage, attempt, compared): CandidateRow) -> Result<Candidate> {
    Ok(Candidate {
        run: name("the run of a proof", run)?,
        stage: name("the stage of a proof", stage)?,
        attempt: small("the attempt of a proof", attempt)?,
        compared: from_json("a proof", &compared)?,
    })
}

pub(crate) fn approval(row: ApprovalRow) -> Result<Approval> {
    let (stage, attempt, seq, question, options, asked_at, deadline, answer) = row;
    Ok(Approval {
        stage: name("the stage of a question", stage)?,
        attempt: small("the attempt of a question", attempt)?,
        seq: small("the seq of a question", seq)?,
        question,
        options: from_json("a question", &options)?,
        asked_at: count("the time of a question", asked_at)?,
        deadline: optional_count("the deadline of a question", deadline)?,
        answer: answer.map(|answer| from_json("the answer to a question", &answer)).transpose()?,
    })
}

pub(crate) fn release((id, run, at, what, verdict, reason): ReleaseRow) -> Result<Release> {
    Ok(Release {
        id,
        run: name("the run of a release", run)?,
        at: count("the time of a release", at)?,
        what: from_json("a release", &what)?,
        verdict,
        reason,
    })
}

pub(crate) fn summary(
    (id, number, pipeline, status, created_at, ended_at, held_until): SummaryRow,
) -> Result<RunSummary> {
    Ok(RunSummary {
        id: name("the id of a run", id)?,
        number: count("the number of a run", number)?,
        pipeline: name("the pipeline of a run", pipeline)?,
        status: from_word("the status of a run", status)?,
        created_at: count("the time of a run", created_at)?,
        ended_at: optional_count("the end of a run", ended_at)?,
        waits: None,
        held_until: optional_count("the lease of a run", held_until)?,
    })
}
