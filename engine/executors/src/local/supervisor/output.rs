//! What a task wrote: a file that only grows, read by offset.
//!
//! It is bounded. Of what is over the bound the last part is kept, because that is where a failure is told, and a line says
//! how much is missing between.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How much of the end is kept when there was too much.
const TAIL: usize = 64 << 10;

/// The output of a task that lives.
pub(super) struct Output {
    inner: Mutex<Inner>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Default)]
struct Progress {
    length: u64,
    complete: bool,
}

struct Inner {
    file: File,
    /// Bytes that may go to the file directly.
    room: u64,
    length: u64,
    total: u64,
    tail: VecDeque<u8>,
}

impl Output {
    /// An empty output of at most about `limit` bytes.
    pub(super) fn create(path: &Path, limit: u64) -> io::Result<Self> {
        let room = limit.saturating_sub(TAIL as u64).max(limit.min(TAIL as u64));
        let inner = Inner { file: File::create(path)?, room, length: 0, total: 0, tail: VecDeque::new() };
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
        let progress = Progress { length: inner.length, complete: true };
        self.progress.send_replace(progress);
        finished.map(|()| inner.total)
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

impl Inner {
    fn append(&mut self, bytes: &[u8]) -> u64 {
        self.total += bytes.len() as u64;
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, over) = bytes.split_at(fits);
        if self.file.write_all(kept).is_ok() {
            self.length += kept.len() as u64;
        }
        self.room -= kept.len() as u64;
        self.tail.extend(over);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.length
    }

    fn finish(&mut self) -> io::Result<()> {
        let missing = self.total - self.length - self.tail.len() as u64;
        let mut last = Vec::with_capacity(self.tail.len() + 128);
        if missing > 0 {
            last.extend(format!("\nstageway: {missing} bytes of output were dropped here\n").as_bytes());
        }
        last.extend(self.tail.drain(..));
        self.file.write_all(&last)?;
        self.length += last.len() as u64;
        // The name of an empty one becomes durable with the ending beside it.
        if self.length == 0 { Ok(()) } else { self.file.sync_data() }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limit: u64, parts: &[&[u8]]) -> (Vec<u8>, u64) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("output");
        let output = Output::create(&path, limit).unwrap();
        parts.iter().for_each(|part| output.append(part));
        let total = output.complete().unwrap();
        (read(&path, 0, 10 << 20).unwrap(), total)
    }

    #[test]
    fn what_fits_stays_as_it_was() {
        assert_eq!(written(1 << 20, &[b"a\n", b"b"]), (b"a\nb".to_vec(), 3));
    }

    #[test]
    fn the_beginning_and_the_end_stay_and_a_line_says_what_does_not() {
        let flood = vec![b'x'; 1 << 20];
        let (bytes, total) = written(256 << 10, &[b"first\n", &flood, b"last\n"]);
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(total, 11 + (1 << 20));
        assert!(text.starts_with("first\n") && text.ends_with("last\n"));
        let dropped = total as usize - (256 << 10);
        assert!(text.contains(&format!("\nstageway: {dropped} bytes of output were dropped here\n")));
    }
}
