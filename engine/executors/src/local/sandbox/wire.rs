//! Frames with at most one descriptor over a Unix socket: a length of four bytes, then JSON.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;

/// The largest frame. Files of a task travel in one.
const FRAME: usize = 64 << 20;

/// A message and the descriptor that came with it.
pub(super) type Received<T> = Option<(T, Option<OwnedFd>)>;

/// Sends a message, blocking.
pub(super) fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let (header, body) = encode(message)?;
    let mut sent = 0;
    while sent < 4 {
        sent += push(socket.as_fd(), &header[sent..], if sent == 0 { fd } else { None })?;
    }
    let mut sent = 0;
    while sent < body.len() {
        sent += push(socket.as_fd(), &body[sent..], None)?;
    }
    Ok(())
}

/// Receives a message, blocking; none is the end.
pub(super) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Received<T>> {
    let (mut header, mut fd, mut got) = ([0; 4], None, 0);
    while got < 4 {
        match pull(socket.as_fd(), &mut header[got..], &mut fd)? {
            0 => return Ok(None),
            n => got += n,
        }
    }
    let (mut body, mut got) = (vec![0; length(header)?], 0);
    while got < body.len() {
        match pull(socket.as_fd(), &mut body[got..], &mut fd)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => got += n,
        }
    }
    Ok(Some((serde_json::from_slice(&body)?, fd)))
}

/// Sends a message.
pub(super) async fn send_async<T: Serialize>(
    socket: &tokio::net::UnixStream,
    message: &T,
    fd: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let (header, body) = encode(message)?;
    let mut sent = 0;
    while sent < 4 {
        let with = if sent == 0 { fd } else { None };
        sent += socket.async_io(Interest::WRITABLE, || push(socket.as_fd(), &header[sent..], with)).await?;
    }
    let mut sent = 0;
    while sent < body.len() {
        sent += socket.async_io(Interest::WRITABLE, || push(socket.as_fd(), &body[sent..], None)).await?;
    }
    Ok(())
}

/// Receives a message; none is the end.
pub(super) async fn receive_async<T: DeserializeOwned>(
    socket: &tokio::net::UnixStream,
) -> io::Result<Received<T>> {
    let (mut header, mut fd, mut got) = ([0; 4], None, 0);
    while got < 4 {
        let read = || pull(socket.as_fd(), &mut header[got..], &mut fd);
        match socket.async_io(Interest::READABLE, read).await? {
            0 => return Ok(None),
            n => got += n,
        }
    }
    let (mut body, mut got) = (vec![0; length(header)?], 0);
    while got < body.len() {
        let read = || pull(socket.as_fd(), &mut body[got..], &mut fd);
        match socket.async_io(Interest::READABLE, read).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => got += n,
        }
    }
    Ok(Some((serde_json::from_slice(&body)?, fd)))
}

fn encode<T: Serialize>(message: &T) -> io::Result<([u8; 4], Vec<u8>)> {
    let body = serde_json::to_vec(message)?;
    match u32::try_from(body.len()) {
        Ok(length) if body.len() <= FRAME => Ok((length.to_be_bytes(), body)),
        _ => Err(io::Error::other(format!("a message of {} bytes is larger than {FRAME}", body.len()))),
    }
}

fn length(header: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(header) as usize;
    if length > FRAME {
        return Err(io::Error::other(format!("a message of {length} bytes is larger than {FRAME}")));
    }
    Ok(length)
}

fn push(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => continue,
            other => return other.map_err(Into::into),
        }
    }
}

fn pull(socket: BorrowedFd<'_>, bytes: &mut [u8], fd: &mut Option<OwnedFd>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => continue,
            other => break other?,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            *fd = fds.last().or(fd.take());
        }
    }
    Ok(received.bytes)
}
