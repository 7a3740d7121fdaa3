use crate::{Blame, Retry, SecretValue};
use async_trait::async_trait;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, Meaning, RawDelivery, RepositoryName, Revision, StatusReport,
};
use thiserror::Error;

/// Why a delivery is not believed. For the engine's own log: from outside all of them look the same, and the same as a
/// webhook that does not exist. No variant holds anything of a secret or a signature.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unauthentic {
    /// The webhook has no secret that could be used, so nothing can be authentic.
    #[error("the webhook has no secret")]
    NoSecret,
    /// The header that proves it is absent or empty.
    #[error("the header `{0}` is missing: set a secret at the forge's webhook")]
    Missing(&'static str),
    /// The header is there more than once.
    #[error("the header `{0}` is there more than once")]
    Doubled(&'static str),
    /// The header is not of the form the forge writes.
    #[error("the header `{header}` is malformed: {rule}")]
    Malformed {
        /// The header.
        header: &'static str,
        /// What is expected.
        rule: &'static str,
    },
    /// No secret fits.
    #[error("the header `{0}` fits no secret of the webhook")]
    Mismatch(&'static str),
    /// It was signed too long ago, or in the future.
    #[error("it was signed {seconds} seconds from now; at most {tolerance} are taken")]
    Stale {
        /// How far the time of signing is from now, in seconds.
        seconds: u64,
        /// How far it may be.
        tolerance: u64,
    },
    /// The forge signs something else than the bytes that it sends.
    #[error(
        "the body is a form, which {0} does not sign as it sends it: set the webhook's content type to JSON"
    )]
    Form(ForgeKind),
}

/// Why an authentic delivery is not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// The header that names the event is absent, there twice, or no text.
    #[error("the header `{0}` is missing or malformed")]
    Event(&'static str),
    /// Another forge speaks than the one the webhook is registered for.
    #[error(
        "{found} sent it to a webhook of {expected}: register the webhook for {found}, or correct its address there"
    )]
    WrongForge {
        /// What the webhook is registered for.
        expected: ForgeKind,
        /// Whose headers it has.
        found: ForgeKind,
    },
    /// The body is neither JSON nor what else the forge may send.
    #[error("the body has the content type `{0}`: set the webhook's content type to JSON")]
    ContentType(String),
    /// The body is no JSON, or not of the shape that the forge documents.
    #[error("the body of the delivery `{event}` cannot be read: {problem}")]
    Json {
        /// The forge's name of the event.
        event: String,
        /// What is wrong with it, and where.
        problem: String,
    },
    /// A field is not what the forge documents.
    #[error("the delivery `{event}` has a `{pointer}` that is not taken: {problem}")]
    Invalid {
        /// The forge's name of the event.
        event: String,
        /// Where it is.
        pointer: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Why a report did not reach the forge.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ForgeError {
    /// The forge refuses these credentials.
    #[error("the forge refuses: {0}")]
    Refused(String),
    /// The repository or the commit is not there, or these credentials may not see it.
    #[error("not found at the forge: {0}")]
    NotFound(String),
    /// The forge does not take the report itself.
    #[error("the forge does not take the report: {0}")]
    Invalid(String),
    /// Too many requests.
    #[error("the forge asks to wait: {problem}")]
    Limited {
        /// Its words.
        problem: String,
        /// How long, in milliseconds, if it says so.
        after_ms: Option<u64>,
    },
    /// The forge does not answer, or with an error of its own. It may have taken the report.
    #[error("the forge is unavailable: {0}")]
    Unavailable(String),
}

impl ForgeError {
    /// Whose doing it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Refused(_) | Self::NotFound(_) => Blame::User,
            Self::Invalid(_) | Self::Limited { .. } | Self::Unavailable(_) => Blame::Platform,
        }
    }

    /// Whether reporting again may help.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Limited { after_ms, .. } => Retry::Later { after_ms: *after_ms },
            Self::Unavailable(_) => Retry::Later { after_ms: None },
            Self::Refused(_) | Self::NotFound(_) | Self::Invalid(_) => Retry::Never,
        }
    }
}

/// One connection to a forge: reads its deliveries and tells it how runs stand.
///
/// # Guarantees
/// Everything but `report` is a pure function of its arguments: no clock, no network, no waiting. Nothing panics,
/// whatever is delivered, and the time is linear in the size of the delivery.
///
/// # Assumptions
/// The body was bounded by whoever took it.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Which forge.
    fn kind(&self) -> ForgeKind;

    /// Whether the delivery comes from somebody who knows one of the webhook's secrets: two are valid at once while one
    /// replaces the other. Decided over exactly the bytes of the body, before anything of it is parsed, and in constant
    /// time. `now_ms` counts from 1970.
    ///
    /// # Errors
    /// [`Unauthentic`]; nothing of such a delivery may be kept.
    fn authenticate(
        &self,
        delivery: &RawDelivery,
        secrets: &[SecretValue],
        now_ms: u64,
    ) -> Result<(), Unauthentic>;

    /// What a redelivery has in common with the first delivery: the forge's own id; without one, a digest of event and
    /// body.
    fn delivery_id(&self, delivery: &RawDelivery) -> DeliveryId;

    /// What an authentic delivery says.
    ///
    /// # Errors
    /// [`Unreadable`], whose text names the remedy where there is one.
    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable>;

    /// Sets the status of a commit. The same report again is the same as once.
    ///
    /// # Errors
    /// [`ForgeError`] with [`ForgeError::blame`] and [`ForgeError::retry`].
    ///
    /// # Cancellation
    /// Dropped half-way, the forge may have taken the report.
    async fn report(
        &self,
        repository: &RepositoryName,
        revision: &Revision,
        report: &StatusReport,
    ) -> Result<(), ForgeError>;
}
