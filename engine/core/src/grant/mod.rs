//! What a stage may do: the imports of its component, cut down to what the pipeline gives and the policy allows.
//!
//! [`Grants`] is the answer, with a check per kind of call ([`Grants::allows_http`] and its siblings). Two keys turn
//! every lock: the plugin asks, the policy allows. Nothing here knows how a call is performed.

mod allows;
mod grants;
mod interface;
mod pattern;

pub use allows::Denied;
pub use grants::{
    ClusterGrant, ClusterRule, EnvironmentsGrant, Grants, HttpGrant, ImagesGrant, SecretsGrant, TaskNetwork,
    TasksGrant,
};
pub use interface::{Access, ClusterAction, ImageAction, Interface};
pub use pattern::{HostPattern, ImagePattern, PatternError, RepositoryPattern, SecretName, Sink};
