//! The output of a pod: its log, read on from a place in it.
//!
//! The cluster gives a log from a second on, with the time of each line. A place is the line's time, how many lines of the same time
//! came before it, and how far into it was read. What the node has rotated away is not there any more.

use futures::{AsyncBufRead, AsyncBufReadExt};
use k8s_openapi::jiff::Timestamp;
use stageway_ports::Cursor;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// The longest time of a line.
const STAMP: usize = 64;
/// How the kubelet begins, in the place of a log, when it has none: `unable to retrieve container logs for …`.
const NO_LOG: &[u8] = b"unable";

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Bytes before it, in the whole output.
    pub offset: u64,
    /// The time of the line that it lies in; none is the beginning.
    pub at: Option<Timestamp>,
    /// How many lines of the same time come before that line.
    nth: u64,
    /// How many bytes of the line lie before it.
    within: u64,
}

impl Place {
    /// Reads a cursor of ours; none where it is another executor's.
    pub(super) fn parse(cursor: &Cursor) -> Option<Self> {
        if cursor.0.is_empty() {
            return Some(Self::default());
        }
        let mut parts = cursor.0.strip_prefix("log;")?.split(';');
        let number = |text: Option<&str>| text?.parse::<u64>().ok();
        let (offset, at) = (number(parts.next())?, parts.next()?);
        let at = if at.is_empty() { None } else { Some(at.parse().ok()?) };
        let place = Self { offset, at, nth: number(parts.next())?, within: number(parts.next())? };
        parts.next().is_none().then_some(place)
    }

    /// The second that its line lies in: the cluster takes no finer time, and the client would round it up.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.at.and_then(|at| {
            Timestamp::from_second(at.as_nanosecond().div_euclid(1_000_000_000).try_into().ok()?).ok()
        })
    }

    /// As a cursor.
    pub(super) fn cursor(&self) -> Cursor {
        let at = self.at.map(|at| at.to_string()).unwrap_or_default();
        Cursor(format!("log;{};{at};{};{}", self.offset, self.nth, self.within))
    }
}

/// How many bytes a log has.
pub(super) async fn length(mut log: impl AsyncBufRead + Unpin) -> io::Result<u64> {
    if log.fill_buf().await?.starts_with(NO_LOG) {
        return Ok(0);
    }
    let (mut total, mut in_stamp) = (0_u64, true);
    loop {
        let buffer = log.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(total);
        }
        for byte in buffer {
            match (in_stamp, byte) {
                (true, b' ') => in_stamp = false,
                (true, _) => {}
                (false, byte) => {
                    total += 1;
                    in_stamp = *byte == b'\n';
                }
            }
        }
        let used = buffer.len();
        log.consume_unpin(used);
    }
}

/// A line that is read: its time, its number among those of that time, and how much of it passed.
#[derive(Clone, Copy)]
struct Line {
    at: Timestamp,
    nth: u64,
    passed: u64,
}

/// A log that is being read from a place on.
pub(super) struct Reading<L> {
    log: L,
    line: Option<Line>,
    stamp: Vec<u8>,
    last: Option<(Timestamp, u64)>,
    from: Place,
    /// Behind what was read.
    pub(super) place: Place,
}

impl<L: AsyncBufRead + Unpin> Reading<L> {
    /// Reads what is given from the second of a place on.
    pub(super) fn new(log: L, from: Place) -> Self {
        Self { log, line: None, stamp: Vec::new(), last: None, from, place: from }
    }

    /// The next bytes, at most `max`, and whether the log ended with them. Waits for the first as long as it is told, and then so long
    /// for more. After an error or the end it is of no use any more.
    pub(super) async fn read(
        &mut self,
        max: usize,
        (first, more): (Duration, Duration),
    ) -> io::Result<(Vec<u8>, bool)> {
        let (mut bytes, mut patience) = (Vec::new(), first);
        loop {
            let Ok(filled) = timeout(patience, self.log.fill_buf()).await else {
                return Ok((bytes, false));
            };
            let buffer = filled?;
            if buffer.is_empty() {
                return Ok((bytes, true));
            }
            let mut used = 0;
            for byte in buffer {
                let Some(line) = &mut self.line else {
                    used += 1;
                    if *byte != b' ' {
                        self.stamp.push(*byte);
                        if self.stamp.len() > STAMP {
                            return Err(io::Error::other("a line of the log has no time"));
                        }
                        continue;
                    }
                    if self.stamp == NO_LOG {
                        return Ok((bytes, true));
                    }
                    let text = str::from_utf8(&self.stamp).map_err(io::Error::other)?;
                    let at: Timestamp = text.parse().map_err(io::Error::other)?;
                    let nth = self.last.filter(|(time, _)| *time == at).map_or(0, |(_, nth)| nth + 1);
                    self.last = Some((at, nth));
                    self.stamp.clear();
                    self.line = Some(Line { at, nth, passed: 0 });
                    continue;
                };
                if is_beyond(&self.from, line) {
                    if bytes.len() == max {
                        break;
                    }
                    bytes.push(*byte);
                    let (offset, within) = (self.place.offset + 1, line.passed + 1);
                    self.place = Place { offset, at: Some(line.at), nth: line.nth, within };
                }
                used += 1;
                line.passed += 1;
                if *byte == b'\n' {
                    self.line = None;
                }
            }
            let whole = used == buffer.len();
            self.log.consume_unpin(used);
            if !whole {
                return Ok((bytes, false));
            }
            if !bytes.is_empty() {
                patience = more;
            }
        }
    }
}

fn is_beyond(from: &Place, line: &Line) -> bool {
    let Some(at) = from.at else { return true };
    (line.at, line.nth, line.passed) >= (at, from.nth, from.within)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(9);
    const LOG: &str = "2026-01-01T00:00:00.000000001Z one\n2026-01-01T00:00:00.000000001Z two\n\
        2026-01-01T00:00:01.000000000Z three\n2026-01-01T00:00:02.5Z end";

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn every_byte_is_read_once_in_whatever_pieces() {
        for max in 1..20 {
            let (mut place, mut all) = (Place::default(), Vec::new());
            loop {
                let mut reading = Reading::new(LOG.as_bytes(), place);
                let (bytes, done) = block_on(reading.read(max, (SOON, SOON))).unwrap();
                all.extend(bytes);
                place = Place::parse(&reading.place.cursor()).unwrap();
                assert_eq!(place.offset, all.len() as u64);
                if done {
                    break;
                }
            }
            assert_eq!(String::from_utf8(all).unwrap(), "one\ntwo\nthree\nend", "{max}");
            // And of one that stays open.
            let (mut reading, mut all) = (Reading::new(LOG.as_bytes(), Place::default()), Vec::new());
            loop {
                let (bytes, done) = block_on(reading.read(max, (SOON, SOON))).unwrap();
                all.extend(bytes);
                assert_eq!(reading.place.offset, all.len() as u64);
                if done {
                    break;
                }
            }
            assert_eq!(String::from_utf8(all).unwrap(), "one\ntwo\nthree\nend", "{max}");
        }
        assert_eq!(block_on(length(LOG.as_bytes())).unwrap(), 17);
    }

    #[test]
    fn a_log_that_the_node_has_not_got_is_empty() {
        let told = "unable to retrieve container logs for containerd://0123";
        let mut reading = Reading::new(told.as_bytes(), Place::default());
        assert_eq!(block_on(reading.read(100, (SOON, SOON))).unwrap(), (Vec::new(), true));
        assert_eq!((reading.place, block_on(length(told.as_bytes())).unwrap()), (Place::default(), 0));
    }

    #[test]
    fn a_foreign_cursor_is_none_of_ours() {
        for text in ["\0not a cursor", "12", "log;1;x;0;0", "log;1;;0;0;0"] {
            assert_eq!(Place::parse(&Cursor(text.into())), None, "{text}");
        }
    }
}
