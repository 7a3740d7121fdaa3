use std::collections::VecDeque;
use std::io::{self, Write};

/// How much of the end is kept when there was too much.
const TAIL: usize = 64 << 10;

/// What a task wrote, in at most about as many bytes as it may. Of what is over the bound the last part is kept, because that is where
/// a failure is told, and a line says how much is missing between.
pub struct Bounded<W> {
    to: W,
    /// Bytes that may be written directly.
    room: u64,
    length: u64,
    total: u64,
    tail: VecDeque<u8>,
}

impl<W: Write> Bounded<W> {
    /// Nothing yet, of at most about `limit` bytes.
    pub fn new(to: W, limit: u64) -> Self {
        let room = limit.saturating_sub(TAIL as u64).max(limit.min(TAIL as u64));
        Self { to, room, length: 0, total: 0, tail: VecDeque::new() }
    }

    /// Adds bytes, and answers how many were written so far. A disk that is full drops them like the bound does; the total still
    /// counts them.
    pub fn append(&mut self, bytes: &[u8]) -> u64 {
        self.total += bytes.len() as u64;
        let fits = usize::try_from(self.room).unwrap_or(usize::MAX).min(bytes.len());
        let (kept, over) = bytes.split_at(fits);
        if self.to.write_all(kept).is_ok() {
            self.length += kept.len() as u64;
        }
        self.room -= kept.len() as u64;
        self.tail.extend(over);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.length
    }

    /// Writes what is missing at the end.
    ///
    /// # Errors
    /// When the last part cannot be written.
    pub fn finish(&mut self) -> io::Result<()> {
        let missing = self.total - self.length - self.tail.len() as u64;
        let mut last = Vec::with_capacity(self.tail.len() + 128);
        if missing > 0 {
            last.extend(format!("\nstageway: {missing} bytes of output were dropped here\n").as_bytes());
        }
        last.extend(self.tail.drain(..));
        self.to.write_all(&last)?;
        self.length += last.len() as u64;
        Ok(())
    }

    /// Bytes that were written.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes there were in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Where it is written.
    pub fn inner(&self) -> &W {
        &self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(limit: u64, parts: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut output = Bounded::new(Vec::new(), limit);
        for part in parts {
            output.append(part);
        }
        output.finish().unwrap();
        assert_eq!(output.length(), output.to.len() as u64);
        (output.to, output.total)
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
