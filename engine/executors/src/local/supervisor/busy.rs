//! Whether there is anything to do.

use std::time::Duration;
use tokio::sync::watch;

/// Counts tasks and calls, and tells when there have been none for a while.
#[derive(Default)]
pub(super) struct Busy(watch::Sender<usize>);

/// One of the things counted, until it is dropped.
pub(super) struct Entered(watch::Sender<usize>);

impl Busy {
    /// Counts one more.
    pub(super) fn enter(&self) -> Entered {
        self.0.send_modify(|count| *count += 1);
        Entered(self.0.clone())
    }

    /// Resolves when nothing has been counted for `idle`.
    pub(super) async fn idle_for(&self, idle: Duration) {
        let mut count = self.0.subscribe();
        loop {
            if count.wait_for(|count| *count == 0).await.is_err() {
                return;
            }
            if tokio::time::timeout(idle, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
