//! Amazon ECR: manifests and tags through its own API, blobs through the registry API that it serves beside it.
//!
//! # Guarantees
//! - A manifest is answered byte for byte, and only if its bytes have the digest that was asked for.
//! - A tag is read before it is put and read again after. Where the repository makes tags immutable, ECR itself refuses
//!   the second of two; where it does not, what is read afterwards decides the answer. The engine's own calls for one tag
//!   are in order under a lock of the store.
//! - Throttling and errors of the service are tried again, five times in all, after growing pauses with a random part.
//!   Every try and every call as a whole has an end.
//! - The registry's password is fetched with the connection's own credentials and renewed well before it expires. Neither
//!   is ever logged.
//!
//! # Assumptions
//! Credentials are where the SDK looks for them: the environment, profile files, the web identity of a pod, the container's
//! or the machine's metadata service. A role is assumed on top of those, one per connection.

mod facts;
mod failure;
mod images;
mod open;
mod port;
mod rights;
mod session;

use session::Session;
use std::path::PathBuf;
use tokio::sync::Mutex;

/// How a registry of ECR is reached.
#[derive(Debug, Clone)]
pub struct EcrConfig {
    /// The twelve digits of the account that owns the registry.
    pub account: String,
    /// Where it is, such as `eu-central-1`.
    pub region: String,
    /// The role to act in; none is whoever the machine's credentials are.
    pub role: Option<EcrRole>,
    /// Whether a repository that is pushed to is created where it is absent.
    pub create: bool,
    /// The address of the API; none is what the SDK says, with `AWS_ENDPOINT_URL_ECR`.
    pub endpoint: Option<String>,
    /// Where downloads lie until they are whole: a folder of the engine's state, made when it is needed.
    pub staging: PathBuf,
}

/// A role that is assumed.
#[derive(Debug, Clone)]
pub struct EcrRole {
    /// `arn:PARTITION:iam::ACCOUNT:role/NAME`.
    pub arn: String,
    /// What the role's trust policy may demand of others.
    pub external_id: Option<String>,
}

/// One connection: the registry of one account in one region.
#[derive(Debug)]
pub struct EcrRegistry {
    client: aws_sdk_ecr::Client,
    account: String,
    create: bool,
    staging: PathBuf,
    /// The registry API with the password of the moment.
    session: Mutex<Option<Session>>,
}
