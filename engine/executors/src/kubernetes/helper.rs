//! What the helper in a pod is asked, each by running it once more in the container that stays.

use super::helped::{HELPER, KEEPER, PLACE, WORKSPACE};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use serde::de::DeserializeOwned;
use stageway_parcel::told::{Asked, Piece, Told};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// How long a helper may take until it runs, and then until it says something that it need not wait for.
const STARTS: Duration = Duration::from_secs(15);
const ANSWERS: Duration = Duration::from_secs(15);
/// Bytes that are on their way at once.
const WINDOW: usize = 256 << 10;
/// The longest line of an answer, in bytes.
const LINE: u64 = stageway_parcel::parcel::LINE as u64;

/// The helper in one pod.
pub(super) struct Helper<'a> {
    pods: &'a Api<Pod>,
    pod: &'a str,
}

/// A helper that runs, and what it says; dropping it breaks the connection.
pub(super) struct Running {
    process: AttachedProcess,
    pub(super) says: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    pub(super) broken: Broken,
}

/// Resolves when the connection breaks before the helper has ended. The streams of a broken one only fall silent.
pub(super) struct Broken(BoxFuture<'static, ()>);

impl Broken {
    /// Does something with the connection, unless it breaks.
    pub(super) async fn unless<T, E: From<io::Error>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            done = work => done,
            () = &mut self.0 => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        }
    }
}

impl<'a> Helper<'a> {
    pub(super) fn of(pods: &'a Api<Pod>, pod: &'a str) -> Self {
        Self { pods, pod }
    }

    /// Says where the task stands when that is something else than what is known, at the latest after a time.
    pub(super) async fn wait(&self, known: &str, within: Duration) -> io::Result<Told> {
        let within_ms = within.as_millis().to_string();
        let mut running = self.run(&["wait", known, &within_ms], false).await?;
        running.broken.unless(limited(within + ANSWERS, line(&mut running.says))).await
    }

    /// At most `max` bytes of output from an offset on, and whether that is all; waits a little when there is nothing yet.
    pub(super) async fn output(
        &self,
        from: u64,
        max: usize,
        within: Duration,
    ) -> io::Result<(Vec<u8>, bool)> {
        let words = [from.to_string(), max.to_string(), within.as_millis().to_string()];
        let mut running = self.run(&["output", &words[0], &words[1], &words[2]], false).await?;
        let read = async {
            let piece: Piece = line(&mut running.says).await?;
            if piece.length > max {
                return Err(io::Error::other("the helper sends more than was asked for"));
            }
            let mut bytes = vec![0; piece.length];
            running.says.read_exact(&mut bytes).await?;
            Ok((bytes, piece.end))
        };
        running.broken.unless(limited(within + ANSWERS, read)).await
    }

    /// Asks the task to end; answers whether somebody is there who reads it.
    pub(super) async fn cancel(&self, grace: Duration) -> io::Result<Asked> {
        let mut running = self.run(&["cancel", &grace.as_millis().to_string()], false).await?;
        running.broken.unless(limited(ANSWERS, line(&mut running.says))).await
    }

    /// Takes a tree on its standard input.
    pub(super) async fn receive(&self, sha256: &str) -> io::Result<Running> {
        self.run(&["receive", WORKSPACE, sha256], true).await
    }

    /// Sends what stands at a path of the workspace.
    pub(super) async fn send(&self, path: &str) -> io::Result<Running> {
        self.run(&["send", WORKSPACE, path], false).await
    }

    /// Sends what was kept of elsewhere, by its number.
    pub(super) async fn outside(&self, number: usize) -> io::Result<Running> {
        self.run(&["outside", &number.to_string()], false).await
    }

    async fn run(&self, words: &[&str], stdin: bool) -> io::Result<Running> {
        let parameters = AttachParams::default()
            .container(KEEPER)
            .stdin(stdin)
            .stdout(true)
            .stderr(false)
            .max_stdin_buf_size(WINDOW)
            .max_stdout_buf_size(WINDOW);
        let command: Vec<&str> = [HELPER, PLACE].iter().chain(words).copied().collect();
        let started = async {
            let process = self.pods.exec(self.pod, command, &parameters).await;
            process.map_err(io::Error::other)
        };
        let mut process = limited(STARTS, started).await?;
        let says = process.stdout().ok_or_else(|| io::Error::other("there is no output"))?;
        let says: Box<dyn AsyncRead + Send + Unpin> = Box::new(says);
        let status = process.take_status();
        let broken = Broken(Box::pin(async move {
            let has_ended = match status {
                Some(status) => status.await.is_some(),
                None => true,
            };
            if has_ended {
                // What it said is still being read.
                std::future::pending::<()>().await;
            }
        }));
        Ok(Running { process, says: BufReader::with_capacity(64 << 10, says), broken })
    }
}

impl Running {
    /// Its standard input, once.
    pub(super) fn stdin(&mut self) -> io::Result<impl tokio::io::AsyncWrite + Unpin + Send + use<>> {
        self.process.stdin().ok_or_else(|| io::Error::other("there is no input"))
    }
}

/// Reads a line of an answer.
pub(super) async fn line<T: DeserializeOwned>(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<T> {
    let mut text = Vec::new();
    from.take(LINE).read_until(b'\n', &mut text).await?;
    if !text.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Gives up after a time.
pub(super) async fn limited<T>(within: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(within, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
