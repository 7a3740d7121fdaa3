//! What a task wrote: a bounded file that only grows, read by offset.

use stageway_parcel::Bounded;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The output of a task that lives.
pub(super) struct Output {
    inner: Mutex<Bounded<File>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    length: u64,
    complete: bool,
}

impl Output {
    /// An empty output of at most about `limit` bytes.
    pub(super) fn create(path: &Path, limit: u64) -> io::Result<Self> {
        let inner = Bounded::new(File::create(path)?, limit);
        Ok(Self { inner: Mutex::new(inner), progress: watch::Sender::default() })
    }

    /// Adds bytes. A disk that is full drops them like the bound does; the total still counts them.
    pub(super) fn append(&self, bytes: &[u8]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let length = inner.append(bytes);
        self.progress.send_if_modified(|progress| std::mem::replace(&mut progress.length, length) != length);
    }

    /// Adds what is missing at the end, makes everything durable, and answers how many bytes there were in all.
    pub(super) fn complete(&self) -> io::Result<u64> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = inner.finish();
        let progress = Progress { length: inner.length(), complete: true };
        self.progress.send_replace(progress);
        finished?;
        // The name of an empty one becomes durable with the ending beside it.
        if inner.length() > 0 {
            inner.inner().sync_data()?;
        }
        Ok(inner.total())
    }

    /// Whether nothing more will come.
    pub(super) fn is_complete(&self) -> bool {
        self.progress.borrow().complete
    }

    /// Waits until there is something beyond an offset, or nothing more will come.
    pub(super) async fn wait_beyond(&self, offset: u64, within: Duration) {
        let mut progress = self.progress.subscribe();
        let beyond = progress.wait_for(|progress| progress.complete || progress.length > offset);
        let _ = tokio::time::timeout(within, beyond).await;
    }
}

/// Reads at most `max` bytes from an offset.
pub(super) fn read(path: &Path, offset: u64, max: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let mut bytes = vec![0; max];
    let mut got = 0;
    while got < max {
        match file.read_at(&mut bytes[got..], offset + got as u64)? {
            0 => break,
            n => got += n,
        }
    }
    bytes.truncate(got);
    Ok(bytes)
}
