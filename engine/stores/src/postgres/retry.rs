use super::{Failure, Result};
use std::time::{Duration, Instant};

/// One attempt at a transaction, with all its statements and waits.
const ATTEMPT: Duration = Duration::from_secs(30);
/// After this no further attempt is begun: a server that starts again is back by then, or is down.
const PATIENCE: Duration = Duration::from_secs(10);
/// Attempts at most, whatever the time.
const ATTEMPTS: u32 = 40;

/// How often and how long a transaction is tried that collided with another, or whose connection was lost before its end.
pub(super) struct Patience {
    begun: Instant,
    attempts: u32,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), attempts: 0 }
    }

    /// One attempt; it is given up when it takes too long.
    pub(super) async fn bounded<T>(&self, attempt: impl Future<Output = Result<T>>) -> Result<T> {
        match tokio::time::timeout(ATTEMPT, attempt).await {
            Ok(done) => done,
            Err(_) => Err(Failure::Late(ATTEMPT.as_secs())),
        }
    }

    /// Waits a while; answers whether another attempt is to be made. Two that collided do not wait equally long.
    pub(super) async fn wait(&mut self) -> bool {
        self.attempts += 1;
        if self.attempts >= ATTEMPTS || self.begun.elapsed() >= PATIENCE {
            return false;
        }
        let most = 4_u64.saturating_mul(1 << self.attempts.min(7));
        let spread = u64::from(self.begun.elapsed().subsec_nanos()) % most;
        tokio::time::sleep(Duration::from_millis(most / 2 + spread / 2)).await;
        true
    }
}

/// Makes attempts at a transaction until one is through, refused, or patience is over: `patiently!(async { … })`.
macro_rules! patiently {
    ($attempt:expr) => {{
        let mut patience = $crate::postgres::retry::Patience::new();
        loop {
            match patience.bounded($attempt).await {
                Err(failure) if failure.is_passing() && patience.wait().await => {}
                done => break done,
            }
        }
    }};
}
pub(super) use patiently;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn patience_has_an_end() {
        let mut patience = Patience::new();
        patience.attempts = ATTEMPTS - 2;
        assert!(patience.wait().await);
        assert!(!patience.wait().await);
        let begun = Instant::now().checked_sub(PATIENCE).unwrap();
        assert!(!Patience { begun, attempts: 0 }.wait().await);
    }
}
