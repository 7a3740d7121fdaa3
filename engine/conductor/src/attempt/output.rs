//! The output of a task on its way into the log.

use super::Subject;
use super::content::printable;
use super::mask::{Mask, MaskedStream};
use crate::engine::Engine;
use stageway_core::call::LogLevel;
use stageway_core::log::{Line, Origin};
use stageway_core::name::TaskName;
use stageway_ports::{Batch, Cursor, TaskError};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

const PIECE_BYTES: usize = 256 << 10;
/// Lines of one transaction.
const BATCH_LINES: usize = 512;
/// A line longer than this is cut into several.
const LINE_BYTES: usize = 16 << 10;
/// After the end of a task, for how long its last lines are waited for.
const DRAIN: Duration = Duration::from_secs(30);

/// Follows one task until its output ends; dropped, it stops.
pub(super) struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Follower {
    pub(super) fn start(engine: Arc<Engine>, subject: Arc<Subject>, task: TaskName, mask: Mask) -> Self {
        let stream = Stream {
            engine,
            subject,
            task,
            mask: MaskedStream::new(mask),
            rest: Vec::new(),
            at: 0,
            ready: Vec::new(),
        };
        Self(tokio::spawn(stream.run()))
    }

    /// Returns when every line is stored, or after a while.
    pub(super) async fn drained(mut self) {
        if tokio::time::timeout(DRAIN, &mut self.0).await.is_err() {
            tracing::warn!("the last lines of a task did not arrive in time");
        }
    }
}

struct Stream {
    engine: Arc<Engine>,
    subject: Arc<Subject>,
    task: TaskName,
    mask: MaskedStream,
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
                    if self.store().await.is_err() || chunk.end {
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
        while let Some(length) = self
            .rest
            .iter()
            .position(|b| *b == b'\n')
            .or_else(|| (self.rest.len() > LINE_BYTES).then_some(LINE_BYTES))
        {
            let mut line: Vec<u8> = self.rest.drain(..length).collect();
            let newline = self.rest.first() == Some(&b'\n');
            if newline {
                self.rest.remove(0);
            }
            let at = self.at;
            self.at += length as u64 + u64::from(newline);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            self.line(at, &line);
        }
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
        self.engine.observer.line(&self.subject.writer.run, &line);
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
