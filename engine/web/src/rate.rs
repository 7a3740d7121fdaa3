//! How many deliveries are taken: a bucket that fills evenly over the minute.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Buckets by name. The names are those of the configuration, so there are not more of them than there.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a delivery, times 60 000, so that nothing is lost by rounding.
    level: u64,
    at: u64,
}

/// Of one delivery: a minute in milliseconds.
const ONE: u64 = 60_000;

impl Rates {
    /// Takes one of `a_minute`; answers how long to wait, in seconds, if there is none left.
    pub(crate) fn take(&self, name: &str, a_minute: u64, now_ms: u64) -> Result<(), u64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = a_minute.saturating_mul(ONE);
        let bucket = buckets.entry(name.to_owned()).or_insert(Bucket { level: full, at: now_ms });
        let passed = now_ms.saturating_sub(bucket.at);
        bucket.level = bucket.level.saturating_add(passed.saturating_mul(a_minute)).min(full);
        bucket.at = now_ms.max(bucket.at);
        match bucket.level.checked_sub(ONE) {
            Some(rest) => {
                bucket.level = rest;
                Ok(())
            }
            None => Err((ONE - bucket.level).div_ceil(a_minute.max(1)).div_ceil(1_000).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_evenly() {
        let rates = Rates::default();
        assert_eq!([rates.take("a", 2, 1_000), rates.take("a", 2, 1_000)], [Ok(()), Ok(())]);
        assert_eq!(rates.take("a", 2, 1_000), Err(30));
        assert_eq!(rates.take("b", 2, 1_000), Ok(()), "others have their own");
        assert_eq!(rates.take("a", 2, 30_999), Err(1));
        assert_eq!(rates.take("a", 2, 31_000), Ok(()));
        assert_eq!(rates.take("a", 2, 0), Err(30), "a clock that was set back gives nothing");
    }
}
