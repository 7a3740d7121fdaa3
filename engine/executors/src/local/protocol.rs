//! What the engine and the supervisor say to each other: a greeting each, then one request and its response.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stageway_core::call::Bytes;
use stageway_core::name::TaskName;
use stageway_core::task::{TaskSpec, TaskState};
use stageway_ports::{Cursor, Incarnation, TaskError};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Changes whenever anything below does.
pub(super) const VERSION: u32 = 3;

/// The largest frame, in bytes. A specification carries the files of its task.
const FRAME: u32 = 64 << 20;

/// What is read in one go, in bytes.
const READ_AT_ONCE: u32 = 64 << 10;

/// The most output in one response, in bytes.
pub(super) const OUTPUT: usize = 1 << 20;

/// Where the claims of tasks are, in the state directory.
pub(super) const TASKS: &str = "tasks";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    pub stageway_supervisor: u32,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Request {
    Ensure { name: TaskName, spec: Box<TaskSpec>, secrets: BTreeMap<String, Bytes> },
    State { name: TaskName, known: Option<Incarnation>, within_ms: u64 },
    Output { name: TaskName, from: Cursor, max: usize },
    Cancel { name: TaskName, grace_ms: u64 },
    Forget { name: TaskName },
    Sweep,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Response {
    Ensured(Incarnation),
    State(TaskState),
    Output { bytes: Bytes, offset: u64, next: Cursor, end: bool },
    Done,
    Names(Vec<TaskName>),
    Failed(Failure),
}

/// A [`TaskError`] on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Failure {
    Refused(String),
    Unknown(TaskName),
    Unavailable(String),
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(problem) => TaskError::Refused(problem),
            Failure::Unknown(name) => TaskError::Unknown(name),
            Failure::Unavailable(problem) => TaskError::Unavailable(problem),
        }
    }
}

pub(super) async fn send<T: Serialize>(socket: &mut UnixStream, message: &T) -> io::Result<()> {
    let mut frame = Vec::new();
    put(&mut frame, message)?;
    socket.write_all(&frame).await
}

/// A greeting and a request at once: whoever has something to ask need not wait until he is greeted.
pub(super) async fn ask(socket: &mut UnixStream, request: &Request) -> io::Result<()> {
    let mut frames = Vec::new();
    put(&mut frames, &Greeting { stageway_supervisor: VERSION })?;
    put(&mut frames, request)?;
    socket.write_all(&frames).await
}

/// Adds a frame: the length, then the body.
fn put<T: Serialize>(frames: &mut Vec<u8>, message: &T) -> io::Result<()> {
    let begin = frames.len();
    frames.extend([0; 4]);
    serde_json::to_writer(&mut *frames, message)?;
    let body = frames.len() - begin - 4;
    let length = u32::try_from(body).ok().filter(|length| *length <= FRAME);
    let length = length.ok_or_else(|| io::Error::other(format!("a message of {body} bytes is too large")))?;
    frames[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

pub(super) async fn receive<T: DeserializeOwned>(socket: &mut UnixStream) -> io::Result<T> {
    let length = socket.read_u32().await?;
    if length > FRAME {
        return Err(io::Error::other(format!("a message of {length} bytes is too large")));
    }
    let mut body = Vec::with_capacity(length.min(READ_AT_ONCE) as usize);
    socket.take(u64::from(length)).read_to_end(&mut body).await?;
    if body.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&body)?)
}

/// The socket of a state directory. Its address may have 108 bytes, so it is reached through the open directory.
pub(super) struct SocketPath {
    directory: File,
}

impl SocketPath {
    pub(super) fn in_state(state: &Path) -> io::Result<Self> {
        Ok(Self { directory: File::open(state)? })
    }

    /// Valid as long as this value lives.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/supervisor.sock", self.directory.as_raw_fd()))
    }
}

/// Refuses a peer that is neither this user nor root.
pub(super) fn check_peer(socket: &UnixStream) -> io::Result<()> {
    let uid = socket.peer_cred()?.uid();
    if uid == rustix::process::geteuid().as_raw() || uid == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("the other side belongs to uid {uid}")))
}
