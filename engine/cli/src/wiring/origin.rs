//! Where a run of this machine came from, so that another process can go on with it.

use crate::exit::{Exit, Refused};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use stageway_core::name::RunId;
use std::path::{Path, PathBuf};

/// What is not in the plan, because it is of this machine alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Origin {
    /// The folder of the work tree.
    pub(crate) root: PathBuf,
    /// The commit that was asked for.
    pub(crate) revision: Option<String>,
    /// What changes are counted from.
    pub(crate) base: Option<String>,
    /// Tasks run without the sandbox.
    pub(crate) unconfined: bool,
    /// Unchanged stages are skipped.
    pub(crate) skip: bool,
}

impl Origin {
    /// Keeps it beside the run's lock.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn keep(&self, state: &Path, run: &RunId) -> Result<()> {
        let path = path(state, run);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_vec(self)?;
        // Written beside and renamed, so that a killed process leaves all of it or nothing.
        let fresh = path.with_extension("json.new");
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, &path))
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Whether a run was started here.
    pub(crate) fn is_known(state: &Path, run: &RunId) -> bool {
        path(state, run).exists()
    }

    /// Reads it again.
    ///
    /// # Errors
    /// When it is gone or not readable.
    pub(crate) fn of(state: &Path, run: &RunId) -> Result<Self> {
        let path = path(state, run);
        let bytes = std::fs::read(&path).map_err(|error| {
            let message = format!("where run {run} came from is not known: {}: {error}", path.display());
            Refused::new(Exit::Errored, message, "where a database is shared, go on where it was started")
        })?;
        serde_json::from_slice(&bytes).with_context(|| format!("{} is not readable", path.display()))
    }
}

fn path(state: &Path, run: &RunId) -> PathBuf {
    state.join("runs").join(format!("{run}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_what_it_keeps() {
        let state = tempfile::tempdir().unwrap();
        let run = RunId::new("01RUN").unwrap();
        assert!(Origin::of(state.path(), &run).is_err());
        let origin = Origin {
            root: "/x".into(),
            revision: None,
            base: Some("a".into()),
            unconfined: true,
            skip: false,
        };
        origin.keep(state.path(), &run).unwrap();
        assert_eq!(Origin::of(state.path(), &run).unwrap(), origin);
    }
}
