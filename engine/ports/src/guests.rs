use crate::Calls;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use stageway_core::call::{Failure, Stop};
use stageway_core::digest::Digest;
use stageway_core::limits::AttemptLimits;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use std::collections::BTreeSet;
use thiserror::Error;

/// What the binary of a component says, read without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// sha256 of the bytes.
    pub digest: Digest,
    /// Imported interfaces as they are spelled, such as `stageway:host/tasks@0.1.0`, in order.
    pub imports: Vec<String>,
    /// Exported interfaces.
    pub exports: Vec<String>,
    /// The custom section `stageway:manifest`.
    pub manifest: Option<String>,
    /// Bytes of the component.
    pub bytes: u64,
    /// Functions of all core modules.
    pub functions: u32,
    /// Core modules.
    pub modules: u32,
}

/// Why a component cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestError {
    /// The bytes are no component, or break a limit of its binary.
    #[error("not a component this engine takes: {0}")]
    Malformed(String),
    /// It does not export the interface of a stage in a version that is spoken here.
    #[error("wrong world: {0}")]
    WrongWorld(String),
    /// Compiling it took too much time or memory, or failed.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// It imports what is not linked; each with the reason.
    #[error("imports that are not linked: {}", .0.join("; "))]
    NotLinked(Vec<String>),
    /// `describe` or `validate` broke off or used up its limit.
    #[error("`{function}` broke off: {message}")]
    Trap {
        /// Which function.
        function: String,
        /// What happened.
        message: String,
    },
    /// A fault of ours.
    #[error("the host is at fault: {0}")]
    Host(String),
}

/// A problem that the plugin's own `validate` found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigIssue {
    /// JSON pointer into the configuration.
    pub pointer: String,
    /// A sentence.
    pub message: String,
}

/// Which interfaces of `stageway:host` are linked, by their short names such as `tasks`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Linking {
    /// Linked for real. The interfaces that need no grant are always linked.
    pub granted: BTreeSet<String>,
    /// Optional and not granted: every function answers `denied` with this interface's line.
    pub denied: BTreeSet<String>,
}

/// One attempt, as the host needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GuestRun {
    /// Whose guest it is: those of two tenants may run in two processes.
    pub tenant: TenantId,
    /// A component that was prepared.
    pub component: Digest,
    /// What is linked.
    pub linking: Linking,
    /// The bounds.
    pub limits: AttemptLimits,
    /// The resolved configuration.
    pub configuration: Json,
    /// Seeds the guest's own randomness.
    pub seed: [u8; 32],
    /// How many entries of the journal will be replayed: their calls do not count against the CPU limit.
    pub replayed: u32,
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestEnd {
    /// `run` answered the object of outputs.
    Succeeded(Json),
    /// `run` answered `failed`.
    Failed(Failure),
    /// `run` answered `errored`.
    Errored(Failure),
    /// It broke off, with the message and the guest's own frames.
    Trap(String),
    /// It used up a limit, which is named.
    Limit(String),
    /// A call stopped it.
    Stopped(Stop),
}

/// Runs components.
#[async_trait]
pub trait Guests: Send + Sync {
    /// Reads a component's binary without running it.
    ///
    /// # Errors
    /// [`GuestError::Malformed`] and [`GuestError::WrongWorld`].
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError>;

    /// Compiles a component, in bounds, or finds it compiled. Must have succeeded before any other call names its digest.
    ///
    /// # Errors
    /// [`GuestError::Malformed`], [`GuestError::WrongWorld`], [`GuestError::Compile`] and [`GuestError::Host`].
    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError>;

    /// Whether a component is prepared in this process.
    fn is_prepared(&self, component: &Digest) -> bool;

    /// Runs `describe`. Only plugin builds do that.
    async fn describe(&self, component: &Digest) -> Result<String, GuestError>;

    /// Runs `validate` for a tenant.
    async fn validate(
        &self,
        tenant: &TenantId,
        component: &Digest,
        configuration: &Json,
    ) -> Result<Vec<ConfigIssue>, GuestError>;

    /// Runs one attempt on a fresh instance.
    ///
    /// # Errors
    /// [`GuestError::NotLinked`] and [`GuestError::Host`]; everything the guest does wrong is an end.
    async fn run(&self, run: GuestRun, calls: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError>;
}
