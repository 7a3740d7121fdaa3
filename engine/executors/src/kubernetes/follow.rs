//! Logs that are being followed: whoever reads on finds the stream open. To ask anew for each piece would send all of a second again,
//! and find what the node rotates away meanwhile nowhere.

use super::log::{Place, Reading};
use futures::AsyncBufRead;
use stageway_core::name::TaskName;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The most streams that stay open, and for how long one stays that nobody reads, or on which nothing comes: less than the time after
/// which a silent connection is taken for broken.
const MOST: usize = 256;
const SILENT: Duration = Duration::from_secs(30);

/// A stream of any log.
pub(super) type Stream = Box<dyn AsyncBufRead + Send + Unpin>;

/// A log that is read, and what was known of its task when it was opened.
pub(super) struct Followed {
    pub(super) reading: Reading<Stream>,
    /// The task had ended, so that the end of the stream is that of the output.
    pub(super) over: bool,
    /// When something came last.
    heard: Instant,
}

impl Followed {
    pub(super) fn new(log: Stream, from: Place, over: bool) -> Self {
        Self { reading: Reading::new(log, from), over, heard: Instant::now() }
    }
}

/// Those that nobody reads at this moment.
#[derive(Default)]
pub(super) struct Follows(Mutex<HashMap<TaskName, Followed>>);

impl Follows {
    /// The stream that goes on at a place.
    pub(super) fn take(&self, name: &TaskName, place: &Place) -> Option<Followed> {
        let mut all = self.lock();
        all.retain(|_, one| one.heard.elapsed() < SILENT);
        all.remove(name).filter(|one| one.reading.place == *place)
    }

    /// Keeps one for whoever reads on.
    pub(super) fn keep(&self, name: &TaskName, mut one: Followed, something_came: bool) {
        if something_came {
            one.heard = Instant::now();
        }
        let mut all = self.lock();
        if all.len() < MOST {
            all.insert(name.clone(), one);
        }
    }

    /// Nobody reads on.
    pub(super) fn end(&self, name: &TaskName) {
        self.lock().remove(name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TaskName, Followed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
