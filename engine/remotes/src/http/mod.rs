//! A plugin's requests to the outside, under the egress rules.
//!
//! - A host must be granted, by name and port. Every address that its name resolves to must be allowed; one that is not
//!   refuses the request. What was checked is what is dialled: no second resolution, no proxy, no reused connection.
//! - Never allowed: loopback, link-local, metadata services, multicast, unspecified, broadcast and reserved addresses,
//!   also where an IPv4 address hides in an IPv6 one. Only the operator's configuration opens one of them.
//! - A redirect is checked like the first request. To another origin only harmless headers go along and no body; from
//!   `https` to `http` none is followed.
//! - Bodies come as they are: nothing is unpacked, so what is counted is what came.

mod client;
mod redirect;
mod request;

pub use client::EgressHttp;
