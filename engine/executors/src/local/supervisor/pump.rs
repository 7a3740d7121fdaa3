//! From a process's pipe to the output of its task.

use super::output::Output;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

/// A line longer than this is passed on in pieces, in bytes.
const LINE: usize = 16 << 10;

/// How bytes are passed on.
pub(super) enum Style {
    /// As they come.
    Plain,
    /// By lines, so that several processes do not mix, with a name in front.
    Lines(Option<String>),
}

/// Passes on what is written to the answered end of a new pipe, until all its writers are gone.
pub(super) fn pump(output: Arc<Output>, style: Style) -> io::Result<(JoinHandle<()>, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    let reader = Receiver::from_owned_fd(reader.into())?;
    Ok((tokio::spawn(pass_on(reader, output, style)), writer.into()))
}

async fn pass_on(mut reader: Receiver, output: Arc<Output>, style: Style) {
    let mut buffer = vec![0; 64 << 10];
    let mut lines = match style {
        Style::Plain => None,
        Style::Lines(name) => Some(Lines::new(name)),
    };
    while let Ok(n @ 1..) = reader.read(&mut buffer).await {
        match &mut lines {
            None => output.append(&buffer[..n]),
            Some(lines) => output.append(&lines.take(&buffer[..n])),
        }
    }
    if let Some(lines) = lines {
        output.append(&lines.rest());
    }
}

struct Lines {
    prefix: Vec<u8>,
    partial: Vec<u8>,
}

impl Lines {
    fn new(name: Option<String>) -> Self {
        let prefix = name.map(|name| format!("{name} | ").into_bytes()).unwrap_or_default();
        Self { prefix, partial: Vec::new() }
    }

    /// Takes bytes and answers the lines that are whole now.
    fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut whole = Vec::with_capacity(bytes.len() + self.prefix.len());
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for piece in piece.chunks(LINE) {
                self.partial.extend(piece);
                if piece.ends_with(b"\n") || self.partial.len() >= LINE {
                    self.flush(&mut whole);
                }
            }
        }
        whole
    }

    /// The last line, which nobody ended.
    fn rest(mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        if !self.partial.is_empty() {
            self.flush(&mut whole);
        }
        whole
    }

    fn flush(&mut self, whole: &mut Vec<u8>) {
        whole.extend(&self.prefix);
        whole.append(&mut self.partial);
        if !whole.ends_with(b"\n") {
            whole.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_with_their_name() {
        let mut lines = Lines::new(Some("db".into()));
        assert_eq!(lines.take(b"a\nb"), b"db | a\n");
        assert_eq!(lines.take(b"c\n"), b"db | bc\n");
        assert_eq!(lines.take(b"end"), b"");
        assert_eq!(lines.rest(), b"db | end\n");
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let mut lines = Lines::new(None);
        let passed = lines.take(&vec![b'x'; 3 * LINE]);
        assert_eq!(passed.len(), 3 * (LINE + 1));
        assert!(lines.partial.is_empty());
    }
}
