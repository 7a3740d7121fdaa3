//! What goes into the place of a task and what comes back out of it.
//!
//! Shared by the supervisor of this machine, by the executor of pods and by the helper in them: paths are opened beneath a root and
//! follow no link out ([`Places`], [`entries`]); a tree crosses a connection as its canonical list with the bytes of its files
//! ([`list`], [`parcel`]); what is written is bounded ([`Bounded`],
//! [`Lines`]); and the helper tells how a task stands in plain types ([`told`]). Nothing here knows of a cluster, and nothing is
//! asynchronous.

#![deny(missing_docs)]

mod beneath;
mod bounded;
mod hash;
mod lines;
pub mod list;
pub mod parcel;
pub mod told;

pub use beneath::{ENTRIES, Entry, Places, beneath, entries, inside, kind};
pub use bounded::Bounded;
pub use hash::{Hasher, copy};
pub use lines::Lines;
