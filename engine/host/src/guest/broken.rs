use stageway_core::call::Stop;
use thiserror::Error;

/// Why the host breaks off an instance. It travels through wasmtime as the error of an import and is taken out again at
/// the end of the run; the guest never sees it.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// A call said so.
    #[error("the call stopped the instance")]
    Stop(Stop),
    /// A limit of the host is used up.
    #[error("the limit `{0}` is used up")]
    Limit(String),
}

impl Broken {
    /// A fault of ours.
    pub(crate) fn fault(message: impl Into<String>) -> Self {
        Self::Stop(Stop::Fault(message.into()))
    }

    /// A limit by its name.
    pub(crate) fn limit(name: &str) -> Self {
        Self::Limit(name.to_owned())
    }
}
