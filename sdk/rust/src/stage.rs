use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Issue, Manifest, Verdict};

/// What a plugin is: its description, its checks and its work.
///
/// Every call happens on a fresh instance, so there is no state to keep; what must outlive a call goes through the host.
pub trait Stage {
    /// `with` of the pipeline file, already checked against the manifest's configuration schema.
    type Configuration: DeserializeOwned;
    /// The object of outputs, as the manifest's output schema describes it.
    type Outputs: Serialize;

    /// The manifest. Pure: it is asked twice when the plugin is built, and both answers must be equal.
    fn describe() -> Manifest;

    /// Checks that a JSON Schema cannot express. Pure; all issues at once; none means valid.
    fn validate(configuration: &Self::Configuration) -> Vec<Issue> {
        let _ = configuration;
        Vec::new()
    }

    /// Does the work.
    ///
    /// # Errors
    /// [`Verdict::Failed`] when the user's work said no, [`Verdict::Errored`] when it could not be told. A
    /// [`HostError`](crate::HostError) becomes `Errored` by `?`.
    fn run(configuration: Self::Configuration) -> Result<Self::Outputs, Verdict>;
}
