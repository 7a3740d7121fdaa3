//! Who drives a run on this machine: a file lock that the kernel releases when its holder dies.

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use stageway_core::name::RunId;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock is tried that somebody has.
const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// Held while a process drives a run. Two processes of one machine never hold it at the same time, so a lease in the store
/// may be taken by force under it.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
    path: PathBuf,
}

impl RunLock {
    /// Takes the lock of a run in the state directory; none while somebody holds it.
    ///
    /// # Errors
    /// When the directory or file cannot be made.
    pub(crate) fn take(state: &Path, run: &RunId) -> io::Result<Option<Self>> {
        let path = path(state, run);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::options().create(true).write(true).truncate(false).open(&path)?;
        for _ in 0..TRIES {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self { _file: file, path })),
                // Perhaps somebody only asks who holds it.
                Err(Errno::WOULDBLOCK) => std::thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Whether somebody drives the run. Asking leaves no trace.
    pub(crate) fn is_held(state: &Path, run: &RunId) -> bool {
        let Ok(file) = File::open(path(state, run)) else { return false };
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    /// Gives the lock back for good: the run has ended, and its file goes.
    pub(crate) fn forget(self) {
        // A file that stays is taken again by whoever comes next.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn path(state: &Path, run: &RunId) -> PathBuf {
    state.join("runs").join(format!("{run}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_none_after_its_end() {
        let state = tempfile::tempdir().unwrap();
        let run = RunId::new("01RUN").unwrap();
        assert!(!RunLock::is_held(state.path(), &run));
        let lock = RunLock::take(state.path(), &run).unwrap().unwrap();
        assert!(RunLock::is_held(state.path(), &run));
        assert!(RunLock::take(state.path(), &run).unwrap().is_none());
        drop(lock);
        assert!(!RunLock::is_held(state.path(), &run));
        RunLock::take(state.path(), &run).unwrap().unwrap().forget();
        assert_eq!(std::fs::read_dir(state.path().join("runs")).unwrap().count(), 0);
    }
}
