//! A Stageway server, through its API: what the command line uses when runs are not on this machine.
//!
//! [`RemoteServer`] speaks to one tenant of a server with a token, which it sends nowhere else: redirects are not followed.
//! [`RemoteStore`] is the port [`Store`](stageway_ports::Store) over it, for reading; what writes is the server's own business.

mod client;
mod error;
mod preflight;
mod store;
mod views;

pub use client::RemoteServer;
pub use error::ServerError;
pub use preflight::{Begun, Pack};
pub use store::RemoteStore;
pub use views::{
    RemoteDelivery, RemoteFreeze, RemoteKnown, RemoteOutcome, RemoteRepository, RemoteToken, RemoteTreeLimits,
};
