//! The server: how fast it answers, how soon a delivery is at work, and what it holds in memory.

mod bare;
mod client;
mod pipelines;
mod server;

mod answers;
mod crowd;
mod growth;
mod soon;

pub(crate) use answers::measure as answers;
pub(crate) use crowd::measure as crowd;
pub(crate) use growth::measure as growth;
pub(crate) use soon::measure as soon;
