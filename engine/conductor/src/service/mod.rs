//! What a server knows beyond one run: what the operator registered, and how its parts wake each other.

mod reception;
mod reporter;
mod site;
mod wake;

pub(crate) use reception::moves_of;
pub use reception::{Reception, Turned};
pub use reporter::Reporter;
pub use site::{Hook, Place, Site, TenantRules};
pub use wake::Wake;
