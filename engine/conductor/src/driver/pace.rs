//! How often a driver looks at what others have written, and renews its lease: the more runs this process drives, the less often
//! each does, so that ten thousand that wait cost no more than a few hundred that work.

use crate::engine::Engine;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Runs that this process drives.
static DRIVEN: AtomicU64 = AtomicU64::new(0);

/// Between two looks of one driver, where there are few: many writes in a row are looked at once.
const LOOK_MS: u64 = 50;
/// And for each run that is driven.
const LOOK_EACH_MS: u64 = 2;
/// What a lease lasts longer for each run that is driven.
const LEASE_EACH_MS: u64 = 20;

/// One run is driven until this is dropped.
pub(super) struct Driven;

impl Driven {
    pub(super) fn begin() -> Self {
        DRIVEN.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        DRIVEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a driver waits before it looks again.
pub(super) fn look() -> Duration {
    Duration::from_millis(look_ms(DRIVEN.load(Ordering::Relaxed)))
}

/// Until when a lease lasts that is renewed now.
pub(crate) fn lease_until(engine: &Engine) -> u64 {
    engine.clock.now_ms().saturating_add(lease_ms(engine.rules.lease_ms))
}

/// How long it lasts; `usual_ms` where few runs are driven.
pub(super) fn lease_ms(usual_ms: u64) -> u64 {
    usual_ms.max(DRIVEN.load(Ordering::Relaxed).saturating_mul(LEASE_EACH_MS))
}

fn look_ms(driven: u64) -> u64 {
    LOOK_MS.max(driven.saturating_mul(LOOK_EACH_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_look_no_more_often_than_a_few_hundred() {
        assert_eq!((look_ms(1), look_ms(25), look_ms(1_000)), (50, 50, 2_000));
        for driven in [100, 1_000, 10_000, 100_000] {
            assert_eq!(driven * 1_000 / look_ms(driven), 500, "looks a second of {driven} drivers");
        }
    }

    #[test]
    fn a_run_counts_while_it_is_driven() {
        let before = lease_ms(0);
        let all: Vec<Driven> = (0..1_000).map(|_| Driven::begin()).collect();
        assert!(lease_ms(0) >= 1_000 * LEASE_EACH_MS && lease_ms(1_000_000) == 1_000_000);
        drop(all);
        assert!(lease_ms(0) <= before + 100 * LEASE_EACH_MS, "other tests drive runs too");
    }
}
