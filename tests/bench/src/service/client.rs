//! Deliveries over connections that stay open, sent by the clock and not by the answers: a slow answer delays none but its own.

use anyhow::{Context as _, Result, bail, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

/// The secret of every webhook.
pub(crate) const SECRET: &str = "the secret of the benchmark";
/// Connections that are open at once.
const CONNECTIONS: u64 = 32;

/// Makes the body of delivery number so and so.
pub(crate) type Bodies = Arc<dyn Fn(u64) -> (&'static str, String) + Send + Sync>;

/// One connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Posts a delivery to `/webhooks/bench`; answers the status.
    pub(crate) async fn deliver(&mut self, id: &str, event: &str, body: &str) -> Result<u16> {
        let mut signature = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).context("a key")?;
        signature.update(body.as_bytes());
        let signature = hex(&signature.finalize().into_bytes());
        let request = format!(
            "POST /webhooks/bench HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             X-Gitea-Event: {event}\r\nX-Gitea-Delivery: {id}\r\nX-Gitea-Signature: {signature}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<u16> {
        let mut line = String::new();
        self.stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let Some(status) = status else { bail!("no answer: {line:?}") };
        let mut length = 0;
        loop {
            line.clear();
            ensure!(self.stream.read_line(&mut line).await? > 0, "the answer broke off");
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("a length")?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(status)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What became of many deliveries.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// From when each should have been sent to its answer, in seconds, sorted.
    pub(crate) latencies: Vec<f64>,
    /// Of all together.
    pub(crate) seconds: f64,
}

impl Sent {
    /// The latency that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let at = (self.latencies.len() as f64 * percent / 100.0).ceil() as usize;
        self.latencies.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn a_second(&self) -> f64 {
        self.latencies.len() as f64 / self.seconds
    }
}

/// Sends `count` deliveries, `a_second` of them in every second; without a rate as fast as they are answered.
pub(crate) async fn send(
    address: SocketAddr,
    round: &str,
    count: u64,
    a_second: Option<f64>,
    bodies: Bodies,
) -> Result<Sent> {
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (next, bodies, round) = (next.clone(), bodies.clone(), round.to_owned());
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut latencies = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, anyhow::Error>(latencies);
                }
                let due = a_second.map(|rate| begun + Duration::from_secs_f64(number as f64 / rate));
                if let Some(due) = due {
                    sleep_until(due).await;
                }
                let (event, body) = bodies(number);
                let sent = due.unwrap_or_else(Instant::now);
                let status = connection.deliver(&format!("{round}-{number}"), event, &body).await?;
                ensure!(status == 202, "a delivery was answered {status}");
                latencies.push(sent.elapsed().as_secs_f64());
            }
        }));
    }
    let mut sent = Sent::default();
    for task in tasks {
        sent.latencies.extend(task.await??);
    }
    sent.seconds = begun.elapsed().as_secs_f64();
    sent.latencies.sort_by(f64::total_cmp);
    Ok(sent)
}
