//! From a process's pipe to the output of its task.

use super::output::Output;
use stageway_parcel::Lines;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

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
        Style::Lines(name) => Some(Lines::new(name.as_deref())),
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
