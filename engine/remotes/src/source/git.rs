use stageway_ports::SourceError;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// A command of git may take this long.
const PATIENCE: Duration = Duration::from_secs(120);
/// And write this much: 500,000 paths of 250 bytes.
const MAX_OUTPUT: u64 = 128 << 20;
const MAX_COMPLAINT: u64 = 16 << 10;

/// What the repository's own configuration must not make git do: run a program, fetch, or write.
const CONFIG: [&str; 8] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "log.showSignature=false",
    "submodule.recurse=false",
];

/// The `git` command in one folder.
#[derive(Debug, Clone)]
pub(super) struct Git {
    folder: PathBuf,
}

/// Why a command did not succeed.
#[derive(Debug, Error)]
pub(super) enum GitError {
    /// git said no; it is for the caller to know what that means.
    #[error("{0}")]
    Refused(String),
    /// It could not run to its end.
    #[error("{0}")]
    Broken(String),
    /// Too long or too much.
    #[error("{0}")]
    Limit(String),
}

impl From<GitError> for SourceError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Refused(text) | GitError::Broken(text) => Self::Unavailable(text),
            GitError::Limit(text) => Self::Limit(text),
        }
    }
}

impl GitError {
    /// Where git refuses because something is not there.
    pub(super) fn or_not_found(self, what: &str) -> SourceError {
        match self {
            Self::Refused(_) => SourceError::NotFound(what.to_owned()),
            other => other.into(),
        }
    }
}

impl Git {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command with a clean environment. The person's own configuration is read (what they ignore, whom they trust),
    /// `GIT_DIR` and its kin are not: a hook of another repository may have started us.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.env_clear().current_dir(&self.folder).stdin(Stdio::null());
        for name in ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs([
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
        ]);
        command.args(["--no-pager"]);
        for setting in CONFIG {
            command.args(["-c", setting]);
        }
        command.args(arguments).kill_on_drop(true);
        command
    }

    /// Runs a command and takes what it writes.
    pub(super) async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        self.run_with(arguments, &[], PATIENCE).await
    }

    /// The same with more variables and another patience.
    pub(super) async fn run_with(
        &self,
        arguments: &[&str],
        variables: &[(String, String)],
        patience: Duration,
    ) -> Result<Vec<u8>, GitError> {
        let subject = subject(arguments);
        tokio::time::timeout(patience, self.run_for_ever(arguments, variables)).await.unwrap_or_else(|_| {
            Err(GitError::Limit(format!("`git {subject}` took longer than {patience:?}")))
        })
    }

    async fn run_for_ever(
        &self,
        arguments: &[&str],
        variables: &[(String, String)],
    ) -> Result<Vec<u8>, GitError> {
        let subject = subject(arguments);
        let broken = |error: std::io::Error| {
            let remedy = if error.kind() == std::io::ErrorKind::NotFound { "; install git" } else { "" };
            GitError::Broken(format!("`git {subject}` cannot be run: {error}{remedy}"))
        };
        let mut command = self.command(arguments);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(broken)?;
        let (output, complaint) =
            tokio::join!(take(child.stdout.take(), MAX_OUTPUT), drain(child.stderr.take()),);
        let output = output.map_err(broken)?;
        if output.len() as u64 > MAX_OUTPUT {
            return Err(GitError::Limit(format!("`git {subject}` wrote more than {MAX_OUTPUT} bytes")));
        }
        let status = child.wait().await.map_err(broken)?;
        if status.success() {
            return Ok(output);
        }
        let complaint = complaint.trim();
        match status.code() {
            Some(code) => Err(GitError::Refused(format!("`git {subject}` ended with {code}: {complaint}"))),
            None => Err(GitError::Broken(format!("`git {subject}` was ended by {status}: {complaint}"))),
        }
    }

    /// One line of text.
    pub(super) async fn line(&self, arguments: &[&str]) -> Result<String, GitError> {
        let output = self.run(arguments).await?;
        Ok(String::from_utf8_lossy(&output).trim_end_matches('\n').to_owned())
    }

    /// The commit that a revision means. What a plugin or a person wrote never becomes an option.
    pub(super) async fn commit(&self, revision: &str) -> Result<String, SourceError> {
        let shown: String = revision.chars().take(100).flat_map(char::escape_debug).collect();
        let what = format!("revision `{shown}`");
        if revision.is_empty() || revision.len() > 1024 || revision.contains(['\0', '\n']) {
            return Err(SourceError::NotFound(what));
        }
        let wanted = format!("{revision}^{{commit}}");
        let found = self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).await;
        found.map_err(|error| error.or_not_found(&what))
    }
}

/// The command among the arguments, for people.
fn subject<'a>(arguments: &[&'a str]) -> &'a str {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "-c" => drop(words.next()),
            word => return word,
        }
    }
    ""
}

/// One byte more than `max` says that there was more.
async fn take(pipe: Option<impl AsyncRead + Unpin>, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(max + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// The beginning of what git complains about, without control characters; the rest is read and dropped.
async fn drain(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept = Vec::new();
    let _ = (&mut pipe).take(MAX_COMPLAINT).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).chars().filter(|c| *c == '\n' || !c.is_control()).collect()
}

/// The parts of output that ends each with NUL.
pub(super) fn parts(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split(|b| *b == 0).filter(|part| !part.is_empty())
}

/// A path or link target as text.
///
/// # Errors
/// [`SourceError::Unsupported`] with the escaped name.
pub(super) fn text(bytes: &[u8], what: &str) -> Result<String, SourceError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| {
        let name = bytes.escape_ascii();
        SourceError::Unsupported(format!("the {what} `{name}` is not UTF-8; rename it, or let git ignore it"))
    })
}
