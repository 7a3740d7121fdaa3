//! Where runs are looked at: on this machine, or on a server.

use super::servers::ServersFile;
use crate::config::Settings;
use crate::exit::{Exit, Refused};
use crate::wiring::{Home, tenant_rules};
use anyhow::Result;
use stageway_conductor::service::Waits;
use stageway_core::name::TenantId;
use stageway_core::operator::Scope;
use stageway_ports::{RunSummary, SecretValue, Store};
use stageway_remotes::server::{RemoteServer, RemoteStore, RemoteToken, ServerError};
use std::sync::Arc;

/// A server that one is logged in to.
pub(crate) struct Remote {
    /// The server.
    pub(crate) server: RemoteServer,
    /// Whose things are seen there, and what may be done.
    pub(crate) token: RemoteToken,
}

impl Remote {
    /// That the token may do this.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn may(&self, scope: Scope) -> Result<()> {
        if self.token.scopes.contains(&scope) {
            return Ok(());
        }
        let message = format!("the token `{}` has not the scope `{scope}`", self.token.name);
        Err(Refused::new(Exit::Denied, message, "log in with a token that has it").into())
    }
}

/// Runs, to be looked at.
pub(crate) struct View {
    /// What is known of them.
    pub(crate) store: Arc<dyn Store>,
    /// Whose they are.
    pub(crate) tenant: TenantId,
    place: Place,
}

enum Place {
    /// With the places of its tenant.
    Here(Box<Home>, usize),
    There(Box<Remote>),
}

impl View {
    /// Those of this machine.
    pub(crate) fn here(home: Home, settings: &Settings) -> Self {
        let (store, tenant) = (home.store.clone(), home.tenant.clone());
        let rules = tenant_rules(settings.policy.clone(), settings.service.tenants.get(&tenant));
        Self { store, tenant, place: Place::Here(Box::new(home), rules.parallel_runs) }
    }

    /// Those of a server.
    pub(crate) fn there(remote: Remote) -> Self {
        let store = Arc::new(RemoteStore::new(remote.server.clone()));
        Self { store, tenant: remote.token.tenant.clone(), place: Place::There(Box::new(remote)) }
    }

    /// The state directory, if it is this machine.
    pub(crate) fn home(&self) -> Option<&Home> {
        match &self.place {
            Place::Here(home, _) => Some(home),
            Place::There(_) => None,
        }
    }

    /// The server, if it is one.
    pub(crate) fn remote(&self) -> Option<&Remote> {
        match &self.place {
            Place::Here(..) => None,
            Place::There(remote) => Some(remote),
        }
    }

    /// Says of each run why it has not begun; a server has said so already.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn explain(&self, runs: &mut [RunSummary]) -> Result<()> {
        if let Place::Here(home, parallel_runs) = &self.place {
            Waits::explain((&*home.queue, &*home.freezes), &self.tenant, *parallel_runs, runs).await?;
        }
        Ok(())
    }

    /// Whether somebody drives a run; a server does whenever it can.
    pub(crate) fn is_driven(&self, run: &RunSummary) -> bool {
        self.home().is_none_or(|home| home.is_driven(run))
    }
}

/// Connects to a server that one is logged in to.
///
/// # Errors
/// [`Refused`] when one is not, or the server says no.
pub(crate) async fn connect(file: &ServersFile, named: &str) -> Result<Remote> {
    let servers = file.read()?;
    let unknown = || {
        let remedy = "`stageway login URL` takes a token on standard input";
        Refused::usage(format!("you are not logged in to `{named}`"), remedy)
    };
    let known = servers.find(named).ok_or_else(unknown)?;
    meet(&known.url, &known.token).await
}

/// Asks a server whose the token is.
///
/// # Errors
/// [`Refused`] when the server says no.
pub(crate) async fn meet(url: &str, token: &str) -> Result<Remote> {
    let server = RemoteServer::new(url, SecretValue::new(token.as_bytes().to_vec())).map_err(said_no)?;
    let token = server.token().await.map_err(said_no)?;
    Ok(Remote { server, token })
}

/// The refusal of a server, with its remedy and an exit code.
pub(crate) fn said_no(error: ServerError) -> Refused {
    match error {
        ServerError::Problem { status, code, detail, remedy, .. } => {
            let exit = match status {
                401 | 403 => Exit::Denied,
                400..=499 if status != 429 => Exit::Usage,
                _ => Exit::Errored,
            };
            Refused::new(exit, format!("{detail} ({code})"), remedy)
        }
        error @ ServerError::Address { .. } => Refused::usage(error.to_string(), "write `https://HOST`"),
        error => Refused::new(Exit::Errored, error.to_string(), "see whether the server runs, and try again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_exit_code() {
        let problem = |status| ServerError::Problem {
            status,
            code: "SW0811".into(),
            detail: "no".into(),
            remedy: "do".into(),
            problems: vec![],
        };
        for (status, exit) in [
            (401, Exit::Denied),
            (403, Exit::Denied),
            (404, Exit::Usage),
            (409, Exit::Usage),
            (429, Exit::Errored),
            (503, Exit::Errored),
        ] {
            assert_eq!(said_no(problem(status)).exit, exit, "{status}");
        }
    }
}
