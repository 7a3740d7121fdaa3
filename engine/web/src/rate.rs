//! How much is taken of whom: a bucket that fills evenly over the minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Buckets by name. The names are those of the configuration, so there are not more of them than there.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Bucket>>);

/// Buckets by the address that requests come from. There are as many addresses as somebody likes, so the buckets that are full again
/// are forgotten; where so many are not full at once, all that are new share one.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashMap<IpAddr, Bucket>>);

/// Addresses that are remembered: some two MiB.
const MOST_ADDRESSES: usize = 20_000;
/// What new addresses share when there are too many.
const OTHERS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In thousandths of a request, times 60 000, so that nothing is lost by rounding.
    level: u64,
    at: u64,
}

/// Of one request: a minute in milliseconds.
const ONE: u64 = 60_000;

impl Bucket {
    fn full(a_minute: u64, now_ms: u64) -> Self {
        Self { level: a_minute.saturating_mul(ONE), at: now_ms }
    }

    /// As full as it is at this time.
    fn filled(self, a_minute: u64, now_ms: u64) -> Self {
        let passed = now_ms.saturating_sub(self.at);
        let level = self.level.saturating_add(passed.saturating_mul(a_minute));
        Self { level: level.min(a_minute.saturating_mul(ONE)), at: now_ms.max(self.at) }
    }

    /// Takes one of `a_minute`; answers how long to wait, in seconds, if there is none left.
    fn take(&mut self, a_minute: u64, now_ms: u64) -> Result<(), u64> {
        *self = self.filled(a_minute, now_ms);
        match self.level.checked_sub(ONE) {
            Some(rest) => {
                self.level = rest;
                Ok(())
            }
            None => Err((ONE - self.level).div_ceil(a_minute.max(1)).div_ceil(1_000).max(1)),
        }
    }
}

impl Rates {
    /// Takes one of `a_minute`; answers how long to wait, in seconds, if there is none left.
    pub(crate) fn take(&self, name: &str, a_minute: u64, now_ms: u64) -> Result<(), u64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(name.to_owned()).or_insert_with(|| Bucket::full(a_minute, now_ms));
        bucket.take(a_minute, now_ms)
    }
}

impl Strangers {
    /// Takes one of `a_minute`; answers how long to wait, in seconds, if there is none left. `a_minute` is the same at every call.
    pub(crate) fn take(&self, from: IpAddr, a_minute: u64, now_ms: u64) -> Result<(), u64> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from = neighbourhood(from);
        if buckets.len() >= MOST_ADDRESSES && !buckets.contains_key(&from) {
            let full = Bucket::full(a_minute, now_ms).level;
            buckets.retain(|_, bucket| bucket.filled(a_minute, now_ms).level < full);
            if buckets.len() >= MOST_ADDRESSES {
                from = OTHERS;
            }
        }
        buckets.entry(from).or_insert_with(|| Bucket::full(a_minute, now_ms)).take(a_minute, now_ms)
    }
}

/// Whoever has an IPv6 address has 2^64 of them: the first half tells them apart.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
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

    #[test]
    fn neighbours_have_one_bucket() {
        let strangers = Strangers::default();
        let take = |address: &str| strangers.take(address.parse().unwrap(), 1, 1_000);
        assert_eq!((take("2001:db8::1"), take("2001:db8::2")), (Ok(()), Err(60)));
        assert_eq!((take("2001:db8:0:1::1"), take("192.0.2.1")), (Ok(()), Ok(())));
        assert_eq!(take("::ffff:192.0.2.1"), Err(60), "the same address, written as another");
    }

    #[test]
    fn more_addresses_than_are_remembered_share_one_bucket() {
        let strangers = Strangers::default();
        let address =
            |number: usize| IpAddr::from(u32::try_from(0x0a00_0000 + number).unwrap().to_be_bytes());
        for number in 0..MOST_ADDRESSES {
            assert_eq!(strangers.take(address(number), 1, 1_000), Ok(()));
        }
        assert_eq!(strangers.take(address(MOST_ADDRESSES), 1, 1_000), Ok(()), "the first of the others");
        assert_eq!(strangers.take(address(MOST_ADDRESSES + 1), 1, 1_000), Err(60));
        assert_eq!(strangers.take(address(7), 1, 1_000), Err(60), "who is remembered is not forgotten");
        assert_eq!(strangers.take(address(MOST_ADDRESSES + 2), 1, 61_000), Ok(()));
        assert_eq!(strangers.0.lock().unwrap().len(), 1, "those that are full again are forgotten");
    }
}
