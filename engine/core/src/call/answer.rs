use super::value::{Bytes, Content};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use thiserror::Error;

/// What the guest gets to see.
pub type Answer = Result<Value, HostError>;

/// An answer's value; each function of the contract has one shape (see the member's own documentation).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Nothing to say but that it was done; also what `tasks.start` and `secrets.get` answer, whose handles live in the host.
    Done,
    /// A bool.
    Flag(bool),
    /// A count or an index.
    Count(u32),
    /// A number.
    Number(f64),
    /// `invocation.limit`.
    MaybeNumber(Option<f64>),
    /// A text.
    Text(String),
    /// A text that may be absent.
    MaybeText(Option<String>),
    /// Texts in order.
    Texts(Vec<String>),
    /// A JSON value.
    Json(Json),
    /// A JSON value that may be absent.
    MaybeJson(Option<Json>),
    /// JSON values in order.
    Jsons(Vec<Json>),
    /// Raw bytes.
    Bytes(Bytes),
    /// Bytes that stay with the host and are read piece by piece.
    Content(Content),
    /// `http.send`.
    Response(Response),
    /// `task.wait`.
    Ending(Ending),
    /// `images.find`.
    MaybeImage(Option<Image>),
    /// `images.tag` and `images.copy`.
    Outcome(Outcome),
}

/// A response whose whole body is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The status code, 100 to 599.
    pub status: u16,
    /// Name in lower case and value, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The body, which lies in the blobs.
    pub body: Content,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ending {
    /// The exit code; none when no process exited.
    pub code: Option<i32>,
    /// What ended it.
    pub reason: EndingReason,
    /// What the message file held, at most 4 KiB.
    pub message: String,
    /// From the start of the process to its end.
    pub duration_ms: u32,
    /// Times, usage and what was collected.
    pub details: Json,
}

/// What ended a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndingReason {
    /// The process exited; `code` says how.
    Exited,
    /// A signal ended it that nobody here sent.
    Signalled,
    /// It ran into its own timeout.
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// The memory limit ended it.
    OutOfMemory,
    /// Its image or root could not be had.
    Image,
    /// No place could be found for it.
    Unschedulable,
    /// Its executor lost it: whether it ran to its end is not known.
    Lost,
}

impl EndingReason {
    /// The word of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Signalled => "signalled",
            Self::TimedOut => "timed-out",
            Self::Cancelled => "cancelled",
            Self::OutOfMemory => "out-of-memory",
            Self::Image => "image",
            Self::Unschedulable => "unschedulable",
            Self::Lost => "lost",
        }
    }
}

/// A manifest that a registry holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Image {
    /// sha256 of the manifest's bytes.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// What else the registry tells: size, pushed-at, platforms.
    pub details: Json,
}

/// What a keyed call on images found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was not there before.
    Created,
    /// It was there already.
    Already,
    /// It named another digest before.
    Moved,
}

impl Outcome {
    /// The compare-and-set of `images.tag`: what setting a tag that names `now` to `digest` does, or the digest that
    /// stands in its way (none: the tag is absent and should not be).
    ///
    /// A tag that names `digest` already is `Already` whatever `replaces` says; otherwise `replaces` must be what the tag
    /// names now.
    pub fn of_tag(
        now: Option<&Digest>,
        digest: &Digest,
        replaces: Option<&Digest>,
    ) -> Result<Self, Option<Digest>> {
        match (now, replaces) {
            (Some(now), _) if now == digest => Ok(Self::Already),
            (None, None) => Ok(Self::Created),
            (Some(now), Some(replaces)) if now == replaces => Ok(Self::Moved),
            (now, _) => Err(now.copied()),
        }
    }
}

/// Why something did not work, in words that a plugin or a person understands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// `<namespace>/<kebab-case-code>`.
    pub code: String,
    /// A sentence.
    pub message: String,
    /// A JSON object with the operands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Json>,
}

/// How a call of a guest can be refused or fail; the variants are those of the contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Error)]
#[serde(rename_all = "kebab-case")]
pub enum HostError {
    /// Not granted; names the line that would grant it.
    #[error("denied: {0}")]
    Denied(String),
    /// Nothing is there under that name.
    #[error("not found: {0}")]
    NotFound(String),
    /// The outside has another state than the call demands.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The request is not well-formed.
    #[error("invalid argument: {0}")]
    InvalidArgument(String),
    /// A limit of this attempt is used up.
    #[error("limit exceeded: {0}")]
    LimitExceeded(String),
    /// The time given was not enough.
    #[error("timed out")]
    TimedOut,
    /// The stage is being cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The other side does not answer.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It may have been performed or not.
    #[error("in doubt: {0}")]
    InDoubt(String),
    /// Anything else.
    #[error("{}: {}", .0.code, .0.message)]
    Other(Failure),
}

/// What comes back from [`Calls`](../../stageway_ports).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Goes to the guest.
    Answer(Answer),
    /// Never visible to the guest: its instance is dropped.
    Stop(Stop),
}

/// Why an instance is dropped although its guest has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// It waits for something that takes long; it is replayed when the answer is there.
    Parked,
    /// A fault of ours: nothing is recorded, the attempt resumes later.
    Fault(String),
    /// The grace period after a cancel is over, or the stage is no longer ours.
    Cancelled,
    /// In a plan: this call's answer depends on an effect that is not performed.
    PlanEnd,
    /// On replay the guest made another call than the journal has.
    Diverged(Box<Divergence>),
    /// A limit of the attempt that no answer can express is used up.
    Limit(String),
}

/// The two calls of a divergence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// The entry at which they differ.
    pub seq: u32,
    /// `interface.function` and request as the journal has them; none if the journal has its end there.
    pub recorded: Option<String>,
    /// The same of the call that the guest made now.
    pub made: String,
}

/// What a task collected, by name, as the ending's details hold it.
pub type Collected = BTreeMap<String, Digest>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_survive_json() {
        let answers: Vec<Answer> = vec![
            Ok(Value::Done),
            Ok(Value::MaybeText(None)),
            Ok(Value::MaybeImage(None)),
            Ok(Value::Bytes(Bytes(vec![0, 255]))),
            Err(HostError::TimedOut),
            Err(HostError::Denied("grants: { http: [x] }".into())),
            Err(HostError::Other(Failure { code: "a/b".into(), message: "m".into(), details: None })),
        ];
        for answer in answers {
            let text = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer, "{text}");
        }
    }
}
