//! The way of a task to granted hosts: an HTTP proxy on its loopback, served by the supervisor.
//!
//! The socket is made in the task's network namespace and served outside of it, so the task has no other way out. Names are
//! resolved here, every address is checked, and the one that was checked is dialled.

mod grant;
mod request;
mod serve;

use super::life::Outcome;
use crate::local::sandbox::{Gone, Init, Order, Report};
use grant::Grants;
use stageway_core::call::{Bytes, EndingReason};
use stageway_core::task::Network;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A proxy that serves one task until it is dropped.
pub(super) struct Proxy {
    port: u16,
    serving: JoinHandle<()>,
}

impl Proxy {
    /// Serves what the task is granted; none when that is nothing.
    pub(super) async fn start(network: &Network, init: &Init) -> Result<Option<Proxy>, Outcome> {
        let Network::Proxy(hosts) = network else { return Ok(None) };
        let never = |problem: String| Outcome::never(EndingReason::Unschedulable, problem);
        let grants = Grants::new(hosts).map_err(never)?;
        let (port, socket) = match init.order(Order::Listen, None).await? {
            (Report::Listening { port }, Some(socket)) => (port, socket),
            (Report::Failed { problem }, _) => {
                return Err(never(format!("its proxy cannot listen: {problem}")));
            }
            (other, _) => return Err(Gone(format!("it answered {other:?}")).into()),
        };
        let listener = std::net::TcpListener::from(socket);
        let listener =
            listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
        let listener = listener.map_err(|e| never(format!("its proxy cannot be served: {e}")))?;
        Ok(Some(Proxy { port, serving: tokio::spawn(serve::serve(listener, Arc::new(grants))) }))
    }

    /// Tells a process where the proxy is. A process that sets a variable of these itself keeps it.
    pub(super) fn add_variables(&self, variables: &mut BTreeMap<String, Bytes>) {
        let address = format!("http://127.0.0.1:{}", self.port);
        let local = "localhost,127.0.0.1,::1".to_owned();
        for (name, value) in [("HTTP_PROXY", &address), ("HTTPS_PROXY", &address), ("NO_PROXY", &local)] {
            for name in [name.to_owned(), name.to_ascii_lowercase()] {
                variables.entry(name).or_insert_with(|| Bytes(value.clone().into_bytes()));
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
