//! What a stage may do: the imports of its component, cut down to what the pipeline gives and the policy allows.
//!
//! [`Grants`] is the answer, with a check per kind of call ([`Grants::allows_http`] and its siblings). Two keys turn
//! every lock: the plugin asks, the policy allows. Nothing here knows how a call is performed.

mod allows;
mod covers;
mod decide;
mod derive;
mod grants;
mod imports;
mod interface;
mod line;
mod narrow;
mod pattern;

pub use allows::Denied;
pub use decide::{Asked, Decided, GrantProblem, decide};
pub use derive::{Derived, derive};
pub use grants::{
    ClusterGrant, ClusterRule, EnvironmentsGrant, Grants, HttpGrant, ImagesGrant, SecretsGrant, TaskNetwork,
    TasksGrant,
};
pub use imports::{CONTRACT, ImportFault, classify};
pub use interface::{Access, ClusterAction, ImageAction, Interface};
pub use line::line;
pub use narrow::{Ceiling, Refusal};
pub use pattern::{HostPattern, ImagePattern, PatternError, RepositoryPattern, SecretName, Sink};
