//! `stageway serve`: signed deliveries of a scripted forge become runs of a local repository, once each, and the forge is told.
//!
//! The deliveries are signed by Python's `hmac`, not by our code.

mod beside;
mod bitbucket;
mod doubles;
mod flood;
mod forge;
mod gitea;
mod kill;
mod mirror;
mod payloads;
mod postgres;
mod refused;
#[path = "../../../engine/remotes/tests/support/signed.rs"]
mod signed;
mod starts;
mod tenants;
mod traces;
mod workers;
mod world;
