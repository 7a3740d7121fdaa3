//! The output of a task on its way into the log.

use super::Subject;
use super::content::printable;
use super::mask::{Mask, MaskedStream};
use crate::engine::Engine;
use stageway_core::call::LogLevel;
use stageway_core::log::{LINE_BYTES, Line, Origin};
use stageway_core::name::TaskName;
use stageway_ports::{Batch, Cursor, TaskError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

const PIECE_BYTES: usize = 256 << 10;
/// Lines of one transaction.
const BATCH_LINES: usize = 512;
/// After the end of a task, for how long the next of its last lines are waited for.
const DRAIN: Duration = Duration::from_secs(30);
/// How often that is done, however much there is.
const DRAINS: u32 = 40;

/// Who follows the tasks of one attempt. They outlive its instances: what a task writes while its attempt is parked is in the
/// log at once, and a line is told to the observer once, however often the attempt resumes.
#[derive(Clone, Default)]
pub(crate) struct Followers(Arc<Mutex<BTreeMap<TaskName, Follower>>>);

/// Follows one task until its output ends; dropped, it stops.
#[derive(Default)]
struct Follower {
    progress: Arc<Progress>,
    work: Option<JoinHandle<()>>,
}

/// How far the lines of one task are.
#[derive(Default)]
struct Progress {
    /// The observer knows the lines before this byte of the output.
    told: AtomicU64,
    /// Every line is stored.
    complete: AtomicBool,
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

/// The next whole line and whether a newline ends it; one that is too long is cut into several, at the same place however the output arrives.
fn next_line(bytes: &[u8]) -> Option<(&[u8], bool)> {
    let window = &bytes[..bytes.len().min(LINE_BYTES + 1)];
    match window.iter().position(|byte| *byte == b'\n') {
        Some(length) => Some((&bytes[..length], true)),
        None => (bytes.len() > LINE_BYTES).then(|| (&bytes[..LINE_BYTES], false)),
    }
}

impl Followers {
    fn table(&self) -> MutexGuard<'_, BTreeMap<TaskName, Follower>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the task is followed, or was to its end.
    pub(super) fn has(&self, task: &TaskName) -> bool {
        self.table().get(task).is_some_and(|follower| {
            let at_work = follower.work.as_ref().is_some_and(|work| !work.is_finished());
            at_work || follower.progress.complete.load(Ordering::Acquire)
        })
    }

    /// Begins to follow a task, unless that is done already.
    pub(super) fn start(&self, engine: &Arc<Engine>, subject: &Arc<Subject>, task: &TaskName, mask: &Mask) {
        if self.has(task) {
            return;
        }
        let mut table = self.table();
        let follower = table.entry(task.clone()).or_default();
        let stream = Stream {
            engine: engine.clone(),
            subject: subject.clone(),
            task: task.clone(),
            mask: MaskedStream::new(mask.clone()),
            progress: follower.progress.clone(),
            rest: Vec::new(),
            at: 0,
            ready: Vec::new(),
        };
        follower.work = Some(tokio::spawn(stream.run()));
    }

    /// Returns when every line of a task is stored, or when no more come for a while.
    pub(super) async fn drained(&self, task: &TaskName) {
        let (mut work, progress) = {
            let mut table = self.table();
            let Some(follower) = table.get_mut(task) else { return };
            let Some(work) = follower.work.take() else { return };
            (work, follower.progress.clone())
        };
        let mut told = progress.told.load(Ordering::Acquire);
        for _ in 0..DRAINS {
            if tokio::time::timeout(DRAIN, &mut work).await.is_ok() {
                return;
            }
            let now = progress.told.load(Ordering::Acquire);
            if now == told {
                break;
            }
            told = now;
        }
        work.abort();
        tracing::warn!(task.name = %task, "the last lines of a task did not arrive in time");
    }
}

struct Stream {
    engine: Arc<Engine>,
    subject: Arc<Subject>,
    task: TaskName,
    mask: MaskedStream,
    progress: Arc<Progress>,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// Bytes of output before `rest`.
    at: u64,
    ready: Vec<Line>,
}

impl Stream {
    async fn run(mut self) {
        let mut cursor = Cursor::default();
        loop {
            match self.engine.executor.output(&self.task, &cursor, PIECE_BYTES).await {
                Ok(chunk) => {
                    let (shown, _) = self.mask.push(&chunk.bytes);
                    self.split(&shown, chunk.end);
                    cursor = chunk.next;
                    if self.store().await.is_err() {
                        return;
                    }
                    if chunk.end {
                        self.progress.complete.store(true, Ordering::Release);
                        return;
                    }
                    if chunk.bytes.is_empty() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                Err(TaskError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(200)).await,
                Err(_) => return,
            }
        }
    }

    fn split(&mut self, shown: &[u8], end: bool) {
        self.rest.extend_from_slice(shown);
        if end {
            let (last, _) = self.mask.finish();
            self.rest.extend_from_slice(&last);
        }
        let rest = std::mem::take(&mut self.rest);
        let mut left = rest.as_slice();
        while let Some((line, newline)) = next_line(left) {
            let taken = line.len() + usize::from(newline);
            self.line(self.at, line.strip_suffix(b"\r").unwrap_or(line));
            self.at += taken as u64;
            left = &left[taken..];
        }
        self.rest = left.to_vec();
        if end && !self.rest.is_empty() {
            let line = std::mem::take(&mut self.rest);
            self.line(self.at, &line);
        }
    }

    fn line(&mut self, cursor: u64, bytes: &[u8]) {
        let line = Line {
            stage: Some(self.subject.stage.clone()),
            attempt: self.subject.attempt,
            at: self.engine.clock.now_ms(),
            level: LogLevel::Info,
            origin: Origin::Task { task: self.task.clone(), cursor },
            text: printable(&String::from_utf8_lossy(bytes)),
        };
        // What an earlier follower of this task has told is told; every line begins beyond the one before.
        if cursor >= self.progress.told.fetch_max(cursor + 1, Ordering::AcqRel) {
            self.engine.observer.line(&self.subject.writer.run, &line);
        }
        self.ready.push(line);
    }

    async fn store(&mut self) -> Result<(), ()> {
        while !self.ready.is_empty() {
            let count = self.ready.len().min(BATCH_LINES);
            let lines: Vec<_> = self.ready.drain(..count).collect();
            let batch = Batch { lines, ..Batch::default() };
            if let Err(error) = self.engine.store.append(&self.subject.writer, batch).await {
                tracing::warn!(task.name = %self.task, %error, "lines of a task could not be stored");
                return Err(());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], piece: usize) -> Vec<(usize, usize)> {
        let (mut rest, mut at, mut cut) = (Vec::new(), 0, Vec::new());
        for piece in bytes.chunks(piece) {
            rest.extend_from_slice(piece);
            while let Some((line, newline)) = next_line(&rest) {
                let (length, taken) = (line.len(), line.len() + usize::from(newline));
                cut.push((at, length));
                at += taken;
                rest.drain(..taken);
            }
        }
        cut
    }

    #[test]
    fn a_long_line_is_cut_at_the_same_places_however_it_arrives() {
        let mut bytes = vec![b'x'; LINE_BYTES * 2 + 5];
        bytes.extend_from_slice(b"\nshort\n");
        let whole = lines(&bytes, bytes.len());
        assert_eq!(
            whole,
            [(0, LINE_BYTES), (LINE_BYTES, LINE_BYTES), (LINE_BYTES * 2, 5), (LINE_BYTES * 2 + 6, 5)]
        );
        for piece in [1, 1000, LINE_BYTES, LINE_BYTES + 7] {
            assert_eq!(lines(&bytes, piece), whole, "in pieces of {piece}");
        }
    }
}
