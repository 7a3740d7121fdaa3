//! What nobody reaches, whatever is granted: the addresses that plugins and tasks are never connected to.
//!
//! The rule is the same for both ways out, a plugin's requests and a task's proxy. It looks at an address that a name was
//! resolved to, and the caller dials the address it asked about.

mod address;

pub use address::{Refusal, refusal};
