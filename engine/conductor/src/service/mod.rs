//! What a server knows beyond one run: what the operator registered, what starts runs, and how its parts wake each other.

mod follower;
mod reception;
mod reporter;
mod site;
mod starter;
mod sweep;
mod timetable;
mod tracer;
mod uploaded;
mod waits;
mod wake;

pub use follower::Follower;
pub(crate) use reception::moves_of;
pub use reception::{Reception, Turned};
pub use reporter::Reporter;
pub use site::{Hook, Place, Site, TenantRules};
pub use starter::{Ids, Starter, Told};
pub use sweep::{Sweep, SweepError, USUAL as SWEEP_EVERY};
pub use timetable::Timetable;
pub use tracer::Tracer;
pub use uploaded::Uploaded;
pub use waits::Waits;
pub use wake::Wake;
