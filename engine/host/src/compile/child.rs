use super::entry::UNWRITTEN;
use crate::options::CompileLimits;
use stageway_ports::GuestError;
use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Bytes of the child's message that are kept.
const MESSAGE: u64 = 4 << 10;

/// Lets a child process compile `bytes` into the file `output`.
///
/// # Errors
/// [`GuestError::Compile`] when it does not get done within its bounds; [`GuestError::Host`] when the child cannot be
/// started, or cannot write.
///
/// # Cancellation
/// Kills the child.
pub(super) async fn compile(
    program: &Path,
    arguments: &[OsString],
    limits: &CompileLimits,
    bytes: &[u8],
    output: &Path,
) -> Result<(), GuestError> {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(output)
        .arg(limits.memory_bytes.to_string())
        .arg(limits.time.as_secs().max(1).to_string())
        .env_clear()
        .env("RAYON_NUM_THREADS", "4")
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            GuestError::Host(format!("the compiler `{}` cannot be started: {error}", program.display()))
        })?;
    match timeout(limits.time, attend(&mut child, bytes)).await {
        Err(_) => Err(GuestError::Compile(format!("it takes longer than {} s", limits.time.as_secs()))),
        Ok(Err(error)) => Err(GuestError::Host(format!("the compiler cannot be attended: {error}"))),
        Ok(Ok((status, _))) if status.success() => Ok(()),
        Ok(Ok((status, message))) if status.code() == Some(i32::from(UNWRITTEN)) => {
            Err(GuestError::Host(message))
        }
        Ok(Ok((status, message))) => Err(GuestError::Compile(failure(status, &message, limits))),
    }
}

/// Feeds the child and waits for its end and its message.
async fn attend(child: &mut Child, bytes: &[u8]) -> std::io::Result<(ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that has ended early reads no more: its status says why.
            let _ = stdin.write_all(bytes).await;
        }
    };
    let listen = async {
        let mut message = Vec::new();
        if let Some(stderr) = stderr {
            let _ = stderr.take(MESSAGE).read_to_end(&mut message).await;
        }
        String::from_utf8_lossy(&message).trim().to_owned()
    };
    let ((), message, status) = tokio::join!(feed, listen, child.wait());
    Ok((status?, message))
}

fn failure(status: ExitStatus, message: &str, limits: &CompileLimits) -> String {
    let bound = limits.memory_bytes >> 20;
    match (status.code(), message) {
        (Some(_), "") => format!("the compiler ended with {status}"),
        (Some(_), message) => message.to_owned(),
        (None, "") => format!("the compiler was ended with {status}, within {bound} MiB of memory"),
        (None, message) => {
            format!("the compiler was ended with {status}, within {bound} MiB of memory: {message}")
        }
    }
}
