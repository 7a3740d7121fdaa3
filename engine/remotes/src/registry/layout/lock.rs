use stageway_ports::RegistryError;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// The right to change one layout, until dropped. The kernel releases it when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until nobody else has it.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`] after half a minute, or when the file cannot be opened.
    pub(super) fn take(path: &Path) -> Result<Self, RegistryError> {
        let failed = |error: &dyn std::fmt::Display| {
            RegistryError::Unavailable(format!("cannot lock {}: {error}", path.display()))
        };
        let open = File::options().create(true).truncate(false).write(true).open(path);
        let file = open.map_err(|error| failed(&error))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(failed(&error)),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(failed(&"another process has held it for half a minute"));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
        }
    }
}
