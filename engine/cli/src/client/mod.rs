//! Servers that one is logged in to, and where runs are looked at: here or there.

mod servers;
mod view;

pub(crate) use servers::ServersFile;
pub(crate) use view::{Remote, View, connect, meet, said_no};
