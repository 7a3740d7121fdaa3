//! What the author of a plugin uses: make one, build it, look at what was built.
//!
//! This room calls compilers and writes files where it is told to; running a component it leaves to the port
//! [`Guests`](stageway_ports::Guests). Every error has a code, says what happened, and how to go on.

#![deny(missing_docs)]

pub mod build;
pub mod inspect;
pub mod new;
mod process;
mod progress;
pub mod toolchain;

pub use progress::{Progress, Silent};
