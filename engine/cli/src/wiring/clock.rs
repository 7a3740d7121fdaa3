//! The time of this machine.

use async_trait::async_trait;
use stageway_ports::Clock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest sleep in one piece: a clock that was set is noticed after it.
const PIECE: Duration = Duration::from_secs(30);

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    async fn until(&self, at_ms: u64) {
        while let left @ 1.. = at_ms.saturating_sub(self.now_ms()) {
            tokio::time::sleep(Duration::from_millis(left).min(PIECE)).await;
        }
    }
}
