use crate::Clock;
use async_trait::async_trait;
use std::time::Duration;
use tokio::time::Instant;

/// Waits longer than this are this long: 10 years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Time that a test moves: tokio's own, which the test pauses. It then moves when everything that runs waits, to the next
/// thing that is due, so that a week passes in no time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    born: Instant,
    start_ms: u64,
}

impl ManualClock {
    /// A clock that shows `start_ms` milliseconds since 1970 now. A clone shows the same time.
    pub fn new(start_ms: u64) -> Self {
        Self { born: Instant::now(), start_ms }
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.start_ms + u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX / 2)
    }

    async fn until(&self, at_ms: u64) {
        let due = Duration::from_millis(at_ms.saturating_sub(self.start_ms));
        tokio::time::sleep_until(self.born + due.min(LONGEST)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_week_passes_in_no_time() {
        let clock = ManualClock::new(1_000);
        assert_eq!(clock.now_ms(), 1_000);
        let week = 7 * 24 * 3_600_000;
        clock.until(1_000 + week).await;
        assert_eq!(clock.now_ms(), 1_000 + week);
        clock.until(5).await;
        assert_eq!(clock.now_ms(), 1_000 + week);
    }
}
