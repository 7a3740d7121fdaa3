//! Starting the supervisor of a state directory.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a supervisor writes to its standard output when it answers, so that nobody has to guess when that is.
pub(super) const READY: &str = "ready";

/// Starts a supervisor and waits until it answers, or until it says that another one already does.
pub(super) fn start(state: &Path, program: &[OsString], within: Duration) -> io::Result<()> {
    let (name, arguments) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log(state)?);
    let mut child = command.spawn()?;
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    // This thread is also what reaps the supervisor when it ends before the engine.
    std::thread::Builder::new().name("supervisor".into()).spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
        let _ = tell.send(read);
        let _ = child.wait();
    })?;
    match told.recv_timeout(within) {
        Ok(Ok(line)) if line.trim() == READY => Ok(()),
        Ok(Ok(line)) if line.is_empty() => Err(io::Error::other(format!(
            "the supervisor ended at once; {} says why",
            log_path(state).display()
        ))),
        Ok(Ok(line)) => Err(io::Error::other(format!("the supervisor says `{}`", line.trim()))),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn log(state: &Path) -> io::Result<File> {
    let path = log_path(state);
    let large = path.metadata().is_ok_and(|m| m.len() > 8 << 20);
    OpenOptions::new().create(true).append(!large).truncate(large).write(true).mode(0o600).open(path)
}

fn log_path(state: &Path) -> std::path::PathBuf {
    state.join("supervisor.log")
}
