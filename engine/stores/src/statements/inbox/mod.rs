//! The port [`Inbox`](stageway_ports::Inbox): what came from outside, and what goes back.
//!
//! Whoever changes a delivery that is open, a head or a status holds the *lane* of the repository until the end of its
//! transaction (`hold_lane`): deliveries of a repository have their numbers in the order in which they became durable, and
//! each move of a ref is placed after the one before. What is given out to one engine and to no other is said by each dialect
//! (`claim_open`, `end_claims`, `pending_statuses`).

pub(crate) mod admit;
mod claim;
mod deliveries;
pub(crate) mod heads;
mod port;
mod receive;
mod settle;
mod statuses;

pub(crate) use admit::unfollowed;
pub(crate) use claim::{free, open};
pub(crate) use statuses::{StatusRow, pending, pending_rows};

use super::{
    Answer, Connection, Handle, Read, Result, Write, from_text, keyed, locking, reading, same, sql, text,
    unclaimed, writing,
};
