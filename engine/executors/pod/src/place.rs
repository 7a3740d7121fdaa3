//! The volume that the containers of a pod share, and what lies in it.

use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks at a file that another container writes.
pub(crate) const LOOK: Duration = Duration::from_millis(10);

/// Paths in the shared volume.
#[derive(Clone)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The helper itself.
    pub(crate) fn program(&self) -> PathBuf {
        self.0.join("pod")
    }

    /// Held by who receives a tree.
    pub(crate) fn receiving(&self) -> PathBuf {
        self.0.join("receiving")
    }

    /// Says who receives it.
    pub(crate) fn receiver(&self) -> PathBuf {
        self.0.join("receiver")
    }

    /// There when the whole tree is; holds the milliseconds that it was on its way.
    pub(crate) fn tree(&self) -> PathBuf {
        self.0.join("tree")
    }

    /// How long the tree was on its way, in milliseconds; 0 where none came.
    pub(crate) fn tree_ms(&self) -> u64 {
        fs::read_to_string(self.tree()).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Held as long as the helper of the task's container lives.
    pub(crate) fn alive(&self) -> PathBuf {
        self.0.join("alive")
    }

    /// There when the task's process was started.
    pub(crate) fn started(&self) -> PathBuf {
        self.0.join("started")
    }

    /// What the task and its services wrote.
    pub(crate) fn output(&self) -> PathBuf {
        self.0.join("output")
    }

    /// Holds the milliseconds that a cancelled task has to end.
    pub(crate) fn cancel(&self) -> PathBuf {
        self.0.join("cancel")
    }

    /// There when the services are to end.
    pub(crate) fn stop(&self) -> PathBuf {
        self.0.join("stop")
    }

    /// How the task ended.
    pub(crate) fn end(&self) -> PathBuf {
        self.0.join("end")
    }

    /// Something that the task left outside of its workspace.
    pub(crate) fn outside(&self, number: u64) -> PathBuf {
        self.0.join(format!("outside-{number}"))
    }

    /// There when a service is ready.
    pub(crate) fn ready(&self, service: usize) -> PathBuf {
        self.0.join(format!("service-{service}-ready"))
    }

    /// Why a service did not get ready.
    pub(crate) fn failed(&self, service: usize) -> PathBuf {
        self.0.join(format!("service-{service}-failed"))
    }

    /// There when everything that a service wrote is in the output.
    pub(crate) fn done(&self, service: usize) -> PathBuf {
        self.0.join(format!("service-{service}-done"))
    }

    /// Puts this program into the volume, where containers without it find it.
    pub(crate) fn install(&self) -> io::Result<()> {
        let fresh = self.0.join("pod.fresh");
        fs::copy("/proc/self/exe", &fresh)?;
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755))?;
        fs::rename(fresh, self.program())
    }
}

/// Writes a file that is whole or not there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension(format!("{}.fresh", std::process::id()));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o644).open(&fresh)?;
    file.write_all(bytes)?;
    fs::rename(fresh, path)
}

/// Takes a lock, if nobody has it; it lasts as long as the file is open.
pub(crate) fn lock(path: &Path) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o644).open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether a lock is held. A file that is not there never was.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
