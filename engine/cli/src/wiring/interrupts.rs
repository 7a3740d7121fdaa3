//! Ctrl-C and SIGTERM, once it is known what they mean.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM. From its making on they do not end the process.
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    came: bool,
}

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub(crate) fn new() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, came: false })
    }

    /// Returns at the next one.
    ///
    /// # Cancellation
    /// Nothing is lost: one that came meanwhile is found by the next call.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.came = true;
    }

    /// Whether one has come.
    pub(crate) fn came(&self) -> bool {
        self.came
    }
}
