//! The state directory.
//!
//! | in it | what |
//! | -- | -- |
//! | `stageway.db` | runs, journals, lines, where the configuration names no database |
//! | `blobs/` | bytes by digest, where the configuration names no other place |
//! | `images/NAME/` | the image layouts of connection NAME, where the configuration does not say otherwise |
//! | `mirrors/TENANT/REPOSITORY.git` | what a server fetched |
//! | `serve.lock` | that a server works here |
//! | `compiled/` | compiled components |
//! | `tasks/` | the supervisor and its tasks |
//! | `runs/RUN.lock`, `runs/RUN.json` | who drives a run, and where it came from |
//! | `cache/` | digests of files, downloads that are not whole yet |

use super::lock::RunLock;
use super::site::secret;
use super::{Origin, SystemClock};
use crate::config::Settings;
use crate::exit::Refused;
use anyhow::{Context as _, Result};
use stageway_core::name::TenantId;
use stageway_core::policy::SecretSource;
use stageway_ports::{Blobs, Clock as _, Freezes, Inbox, Queue, RunFilter, RunSummary, Store};
use stageway_stores::{PostgresOptions, PostgresStore, SqliteStore};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Unfinished runs that are looked at.
const MOST_UNFINISHED: u32 = 100;

/// An open state directory.
pub(crate) struct Home {
    /// Where it is.
    pub(crate) directory: PathBuf,
    /// The engine's memory.
    pub(crate) store: Arc<dyn Store>,
    /// What came from outside: the same database.
    pub(crate) inbox: Arc<dyn Inbox>,
    /// Whose turn it is: the same database.
    pub(crate) queue: Arc<dyn Queue>,
    /// What stands still: the same database.
    pub(crate) freezes: Arc<dyn Freezes>,
    /// Bytes.
    pub(crate) blobs: Arc<dyn Blobs>,
    /// Whose runs these are.
    pub(crate) tenant: TenantId,
    /// Other machines may have the same database.
    pub(crate) is_shared: bool,
}

/// The blobs. The state directory is made where there is none.
///
/// # Errors
/// When it cannot be made or is not ours, with the directory; when the blobs cannot be opened.
pub(crate) fn blobs(settings: &Settings) -> Result<Arc<dyn Blobs>> {
    let directory = &settings.state;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| {
        let message = format!("the state directory {} cannot be made: {error}", directory.display());
        Refused::usage(message, "name a directory that you may write with --state or STAGEWAY_STATE")
    })?;
    Ok(settings.blobs.open()?)
}

/// The database that the configuration names.
///
/// # Errors
/// When its address cannot be read, or it cannot be used.
pub(crate) async fn postgres(
    settings: &Settings,
    from: &SecretSource,
    blobs: Arc<dyn Blobs>,
) -> Result<PostgresStore> {
    let address = secret(settings, from).await?;
    let address = str::from_utf8(address.expose()).context("the database address is no text")?;
    Ok(PostgresStore::connect(PostgresOptions::new(address.trim())?, blobs).await?)
}

impl Home {
    /// Opens the state directory, and makes it where there is none.
    ///
    /// # Errors
    /// When it cannot be made or is not ours, with the directory.
    pub(crate) async fn open(settings: &Settings) -> Result<Self> {
        let directory = settings.state.clone();
        let blobs = blobs(settings)?;
        match &settings.database {
            None => {
                let store = SqliteStore::open(directory.join("stageway.db"), blobs.clone()).await?;
                Ok(Self::of(directory, blobs, store, false))
            }
            Some(from) => {
                let store = postgres(settings, from, blobs.clone()).await?;
                Ok(Self::of(directory, blobs, store, true))
            }
        }
    }

    /// One database is behind all four ports.
    fn of(
        directory: PathBuf,
        blobs: Arc<dyn Blobs>,
        database: impl Store + Inbox + Queue + Freezes + 'static,
        is_shared: bool,
    ) -> Self {
        let store = Arc::new(database);
        let (inbox, queue, freezes) = (store.clone(), store.clone(), store.clone());
        Self { directory, store, inbox, queue, freezes, blobs, tenant: TenantId::local(), is_shared }
    }

    /// Whether somebody drives a run. On this machine the kernel says so at once; of others their leases tell.
    pub(crate) fn is_driven(&self, run: &RunSummary) -> bool {
        let is_elsewhere =
            || self.is_shared && run.held_until.is_some_and(|until| until > SystemClock.now_ms());
        RunLock::is_held(&self.directory, &run.id) || is_elsewhere()
    }

    /// Runs of this machine that have not ended and that nobody drives, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn interrupted(&self) -> Result<Vec<RunSummary>> {
        let filter = RunFilter { unfinished: true, max: MOST_UNFINISHED, ..RunFilter::default() };
        let mut runs = self.store.runs(&self.tenant, &filter).await?;
        runs.retain(|run| {
            !self.is_driven(run) && (!self.is_shared || Origin::is_known(&self.directory, &run.id))
        });
        // A server takes its own runs up by itself.
        let mut own = Vec::new();
        for run in runs {
            if self.inbox.origin(&self.tenant, &run.id).await?.is_none() {
                own.push(run);
            }
        }
        own.reverse();
        Ok(own)
    }

    /// What should be known before a command does its own work: a line for each run that was interrupted.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn notices(&self) -> Result<Vec<String>> {
        let line = |run: &RunSummary| {
            let RunSummary { number, pipeline, .. } = run;
            format!(
                "run {number} of {pipeline} was interrupted: `stageway resume {number}` goes on, \
                 `stageway cancel {number}` ends it"
            )
        };
        Ok(self.interrupted().await?.iter().map(line).collect())
    }
}
