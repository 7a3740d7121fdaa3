//! The port [`Inbox`](stageway_ports::Inbox) over the same file: what came from outside, and what goes back.

mod admit;
mod claim;
mod deliveries;
mod heads;
mod port;
mod receive;
mod settle;
mod statuses;
